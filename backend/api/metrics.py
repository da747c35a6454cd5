"""What Prometheus reads. Without METRICS_TOKEN there is no such route, and nothing of it is loaded."""

import hmac
from typing import cast

from flask import Blueprint, Flask, Response, request
from flask.blueprints import BlueprintSetupState

from backend.container import Services, services_of
from backend.errors import AppError, ErrorCode

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"

blueprint = Blueprint("metrics", __name__)


@blueprint.record
def _mount(state: BlueprintSetupState) -> None:
    services = services_of(cast("Flask", state.app))
    if services.metrics is not None:
        state.add_url_rule("", "metrics", lambda: _write(services))


def _write(services: Services) -> Response:
    expected = f"Bearer {services.settings.metrics_token.get_secret_value()}"
    # As bytes: compare_digest refuses texts with anything but ASCII.
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if services.metrics is None or not hmac.compare_digest(given, expected.encode()):
        raise AppError(ErrorCode.TOKEN_INVALID, "This takes METRICS_TOKEN as a bearer token.")
    return Response(services.metrics.write(), content_type=TEXT_FORMAT)
