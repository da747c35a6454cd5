"""The security headers of every response, in one place: what the API says, and what its two pages say instead."""

from collections.abc import Callable

from flask import Response

from config import Settings

# JSON loads nothing and is framed by nobody. A frontend on another origin asks by CORS, which CORP leaves alone.
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# Also over plain HTTP, where browsers pass over it: whoever speaks TLS in front need not say so. Other hosts of the
# domain are not ours, so no includeSubDomains.
IN_PRODUCTION = {"Strict-Transport-Security": "max-age=31536000"}
DOCS = {
    # All of the page comes from here and talks to nobody else. Swagger UI writes style attributes.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}


def page_headers(settings: Settings) -> dict[str, str]:
    """Of the page at `/`."""
    return {
        "Content-Security-Policy": _page_policy(settings),
        # Not stricter: with `no-referrer` browsers send `Origin: null`, which is what Clerk makes `azp` of.
        "Referrer-Policy": "strict-origin-when-cross-origin",
        # A sign-in at another provider may come back from a window of its own.
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
        "X-Frame-Options": "DENY",
    }


def _page_policy(settings: Settings) -> str:
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


def header_adder(*, is_production: bool) -> Callable[[Response], None]:
    """A function that adds to a response what its view did not say itself."""
    standing = list((EVERYWHERE | (IN_PRODUCTION if is_production else {})).items())

    def add(response: Response) -> None:
        # 3 us; setdefault() for each takes 16.
        said = {name for name, _ in response.headers}
        response.headers.extend([header for header in standing if header[0] not in said])

    return add
