"""The page of the application, where it was built (`make frontend`), and what it must know before it starts."""

from flask import Blueprint, Response, current_app, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from backend.api.http.etags import IF_NONE_MATCH, revalidated
from backend.api.http.operation import JSON, operation
from backend.api.http.security_headers import page_headers
from backend.container import current_services
from backend.schemas.site import IndexOut, SiteConfigOut
from backend.version import VERSION
from config import PROJECT

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
FOREVER = "public, max-age=31536000, immutable"  # the name of a built file changes with its content


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
    page.headers.update(page_headers(current_services().settings))
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
