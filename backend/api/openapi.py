"""The description of this API, for programs and for people."""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from flask import Blueprint, Response, current_app, request, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from backend.api.openapi_document import api_document
from backend.api.operation import JSON, operation

R = TypeVar("R", bound=AnyResponse)

blueprint = Blueprint("openapi", __name__)

PAGE = Path(__file__).with_name("docs")
# Found, not imported: the package reads 8 MB into memory when it is.
SWAGGER_UI = Path(str(getattr(find_spec("offapi"), "origin", ""))).parent
FILES = {"start.js": PAGE, "swagger_bundle.js": SWAGGER_UI, "swagger_style.css": SWAGGER_UI}
# All of the page comes from here and talks to nobody else. Swagger UI writes style attributes.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/openapi.json")
@operation(media_type=JSON)
def document() -> AnyResponse:
    """The description of this API (OpenAPI 3.1)."""
    text = current_app.extensions.get("openapi")
    if text is None:
        text = current_app.extensions["openapi"] = json.dumps(api_document(current_app))
    response = Response(text, content_type=JSON)
    response.set_etag(hashlib.sha256(text.encode()).hexdigest())
    return _revalidated(response.make_conditional(request))


@blueprint.get("/docs")
@operation(media_type="text/html")
def docs() -> Response:
    """The description of this API as a page to read and to try out. It asks no other host for anything."""
    response = _revalidated(send_from_directory(PAGE, "index.html"))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@blueprint.get(f"/docs/<any({', '.join(map(repr, FILES))}):name>")
def docs_file(name: str) -> Response:
    """What the page consists of."""
    return _revalidated(send_from_directory(FILES[name], name))


def _revalidated(response: R) -> R:
    """Kept by browsers, and asked for again by its ETag: 1.8 MB of script do not come twice."""
    response.headers["Cache-Control"] = "no-cache"
    return response
