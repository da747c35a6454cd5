"""The page of the application, where it was built (`make frontend`), and what it must know before it starts."""

from flask import Blueprint, Response, current_app, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from backend.api.http.etags import IF_NONE_MATCH, revalidated
from backend.api.http.operation import JSON, operation
from backend.container import current_services
from backend.schemas.site import IndexOut, SiteConfigOut
from backend.version import VERSION
from config import PROJECT, Settings

blueprint = Blueprint("site", __name__)

BUILT = PROJECT / "frontend" / "dist"
INDEX = "index.html"
LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "me": "/auth/me",
    "webhooks": "/api/webhooks",
    "health": "/healthz",
    "ready": "/readyz",
}
PAGE_HEADERS = {
    # Not stricter: with `no-referrer` browsers send `Origin: null`, which is what Clerk makes `azp` of.
    "Referrer-Policy": "strict-origin-when-cross-origin",
    # A sign-in at another provider may come back from a window of its own.
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "X-Frame-Options": "DENY",
}
FOREVER = "public, max-age=31536000, immutable"  # the name of a built file changes with its content


def _content_security_policy(settings: Settings) -> str:
    """Everything comes from here and from Clerk. Clerk's screens write style elements, and keep time in a worker."""
    if settings.uses_local_clerk:
        scripts, calls, pictures, frames = "", "", f" {settings.clerk_api_url}", " 'none'"
    else:
        clerk = f" https://{settings.frontend_api_host}" if settings.frontend_api_host else ""
        robots = " https://challenges.cloudflare.com"  # Clerk's check for robots at sign-up
        scripts, calls, pictures, frames = clerk + robots, clerk, "", robots
    return (
        f"default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: https://img.clerk.com{pictures}; font-src 'self'; connect-src 'self'{calls}; "
        f"worker-src 'self' blob:; frame-src{frames}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


@blueprint.get("/")
@operation(IndexOut, media_type="text/html", is_tagged=True, takes=[IF_NONE_MATCH])
def index() -> AnyResponse:
    """The page, where it was built. Else what this is, and where to go on."""
    if not (BUILT / INDEX).is_file():
        index = IndexOut(name="Counterfoil", version=VERSION, links=LINKS)
        response = Response(index.model_dump_json(), content_type=JSON)
        response.add_etag()
        return revalidated(response)
    page = revalidated(send_from_directory(BUILT, INDEX, conditional=False))
    page.headers["Content-Security-Policy"] = _content_security_policy(current_services().settings)
    page.headers.update(PAGE_HEADERS)
    return page


@blueprint.get("/config.json")
@operation(SiteConfigOut)
def config() -> SiteConfigOut:
    """What the page needs to sign somebody in. `proxy_url`: where the local Clerk instance is, in development."""
    key = current_services().settings.clerk_publishable_key
    return SiteConfigOut(publishable_key=key or None, proxy_url=current_app.config.get("CLERK_PROXY_URL"))


@blueprint.get("/assets/<name>")
def asset(name: str) -> Response:
    """What the page consists of."""
    response = send_from_directory(BUILT / "assets", name, conditional=False)
    response.headers["Cache-Control"] = FOREVER
    return response
