"""What Prometheus reads. Without METRICS_TOKEN there is no such route, and nothing of it is loaded."""

import hmac

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from backend.container import current_services
from backend.errors import AppError, ErrorCode

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"

METRICS = "counterfoil.metrics"  # in app.extensions, where METRICS_TOKEN is set
blueprint = Blueprint("metrics", __name__)


@blueprint.record
def _mount(state: BlueprintSetupState) -> None:
    if METRICS in state.app.extensions:
        state.add_url_rule("", "metrics", _metrics)


def _metrics() -> Response:
    expected = f"Bearer {current_services().settings.metrics_token.get_secret_value()}"
    # As bytes: compare_digest refuses texts with anything but ASCII.
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, expected.encode()):
        raise AppError(ErrorCode.TOKEN_INVALID, "This takes METRICS_TOKEN as a bearer token.")
    return Response(current_app.extensions[METRICS].write(), content_type=TEXT_FORMAT)
