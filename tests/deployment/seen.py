"""The application, with a route that tells what it knows of a request behind proxies."""

from flask import Blueprint, g, request

from backend.access.policy import PUBLIC, policies_of
from backend.app import create_app

blueprint = Blueprint("seen", __name__)


@blueprint.get("/seen")
def seen() -> dict[str, str | None]:
    return {"client": request.remote_addr, "scheme": request.scheme, "host": request.host, "request_id": g.request_id}


app = create_app()
app.register_blueprint(blueprint)
policies_of(app)["seen"] = PUBLIC
