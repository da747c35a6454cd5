"""What Inngest calls, in its own protocol. Without its settings there is no such route, and nothing of it is loaded."""

import re
import time
from collections.abc import Callable
from threading import BoundedSemaphore

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState

from backend.api.http.operation import JSON
from backend.api.http.parsing import read_large_bytes
from backend.errors import AppError, ErrorCode
from config import Settings

# What is signed is a canonical form, which has to be made of a body before its signature can be checked: 1.9 s of a
# frozen worker for 4 MB of small numbers from anybody. An event of Clerk, some kilobytes, is in a call four times.
MAX_CALL_BYTES = 1_048_576
MAX_MEMBERS = 50_000
LARGE_AT_ONCE = 8
large_calls = BoundedSemaphore(LARGE_AT_ONCE)
SIGNATURE = re.compile(r"t=([0-9]{10})&s=[0-9a-f]{64}")
TOLERANCE_SECONDS = 300

SETTINGS = "counterfoil.inngest"  # in app.extensions, where Inngest is set
blueprint = Blueprint("inngest", __name__)


@blueprint.record
def _mount(state: BlueprintSetupState) -> None:
    settings: Settings | None = state.app.extensions.get(SETTINGS)
    if settings is None:
        return
    from backend.api.http.inngest import make_handler  # noqa: PLC0415 - 160 ms and 6 MiB of each worker

    handle = make_handler(settings)
    is_signed = not settings.inngest_dev
    methods = ["GET", "POST", "PUT"]
    state.add_url_rule("", "call", lambda: _call(handle, is_signed=is_signed), methods=methods)


def _call(handle: Callable[[], Response], *, is_signed: bool) -> Response:
    """The SDK checks the signature, but takes one of any age; and a body is read only for who seems to have one."""
    if is_signed and not _is_fresh(request.headers.get("X-Inngest-Signature", "")):
        return Response('{"message": "Unauthorized"}', 401, content_type=JSON)
    if read_large_bytes(MAX_CALL_BYTES, large_calls).count(b",") > MAX_MEMBERS:
        raise AppError(ErrorCode.PAYLOAD_TOO_LARGE, f"A body has at most {MAX_MEMBERS} members here.")
    return handle()


def _is_fresh(signature: str) -> bool:
    match = SIGNATURE.fullmatch(signature)
    return match is not None and abs(time.time() - int(match[1])) <= TOLERANCE_SECONDS
