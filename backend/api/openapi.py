"""The description of this API, for programs and for people."""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, current_app, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from backend.api.http.etags import IF_NONE_MATCH, revalidated
from backend.api.http.openapi_document import api_document
from backend.api.http.operation import JSON, operation
from backend.api.http.security_headers import DOCS

blueprint = Blueprint("openapi", __name__)

PAGE = Path(__file__).with_name("docs")
# Found, not imported: the package reads 8 MB into memory when it is.
SWAGGER_UI = Path(str(getattr(find_spec("offapi"), "origin", ""))).parent
FILES = {"start.js": PAGE, "swagger_bundle.js": SWAGGER_UI, "swagger_style.css": SWAGGER_UI}


@blueprint.get("/openapi.json")
@operation(media_type=JSON, is_tagged=True, takes=[IF_NONE_MATCH])
def document() -> AnyResponse:
    """The description of this API (OpenAPI 3.1)."""
    made: tuple[bytes, str] | None = current_app.extensions.get("openapi")
    if made is None:
        text = json.dumps(api_document(current_app)).encode()
        made = current_app.extensions["openapi"] = text, hashlib.sha256(text).hexdigest()
    response = Response(made[0], content_type=JSON)
    response.set_etag(made[1])
    return revalidated(response)


@blueprint.get("/docs")
@operation(media_type="text/html", is_tagged=True, takes=[IF_NONE_MATCH])
def docs() -> AnyResponse:
    """The description of this API as a page to read and to try out. It asks no other host for anything."""
    response = revalidated(send_from_directory(PAGE, "index.html", conditional=False))
    response.headers.update(DOCS)
    return response


@blueprint.get(f"/docs/<any({', '.join(map(repr, FILES))}):name>")
def docs_file(name: str) -> AnyResponse:
    """What the page consists of."""
    return revalidated(send_from_directory(FILES[name], name, conditional=False))
