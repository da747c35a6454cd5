"""What Clerk tells us through Svix."""

from threading import BoundedSemaphore

from flask import Blueprint, current_app, request

from backend.api.http.operation import operation
from backend.api.http.parsing import is_encoded, read_large_bytes
from backend.container import current_services
from backend.database.transactions import TooManyAtOnce
from backend.errors import AppError, ErrorCode
from backend.schemas.webhook import ClerkEventIn, ReceivedOut
from backend.services.clerk.webhooks.ledger import FAILED, receive_event
from backend.services.clerk.webhooks.signature import HEADERS

# Anybody can send headers that look like Clerk's and then be slow with the body: 400 of 1 MiB cost a worker 540 MB.
# Clerk's events have some kilobytes, so few are larger than other bodies may be at one time.
LARGE_AT_ONCE = 32
large_events = BoundedSemaphore(LARGE_AT_ONCE)

blueprint = Blueprint("webhooks", __name__)


@blueprint.post("")
@operation(
    ReceivedOut,
    raw_body=ClerkEventIn,
    takes=HEADERS,
    refuses=[
        ErrorCode.WEBHOOK_HEADERS_MISSING,
        ErrorCode.WEBHOOK_SIGNATURE_INVALID,
        ErrorCode.WEBHOOK_TIMESTAMP_OUT_OF_TOLERANCE,
        ErrorCode.MALFORMED_BODY,
        ErrorCode.PAYLOAD_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.WEBHOOK_FAILED,
        ErrorCode.DATABASE_UNAVAILABLE,
        ErrorCode.WEBHOOKS_NOT_CONFIGURED,
        ErrorCode.RATE_LIMITED,
    ],
)
def receive() -> ReceivedOut:
    """Answer 200 once the outcome is committed, 4xx for what Clerk did not send, 503 to be asked again."""
    services = current_services()
    verifier = services.webhook_verifier
    if verifier is None:
        raise AppError(ErrorCode.WEBHOOKS_NOT_CONFIGURED, "Set CLERK_WEBHOOK_SECRET to receive webhooks.")
    if is_encoded():
        raise AppError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send the body without Content-Encoding.")
    headers = {name: request.headers.get(name, "") for name in HEADERS}
    try:
        values = verifier.check_headers(headers)  # before a body is read: 1 MiB for anybody who asks would be dear
        # Verified as it was sent: parsed and written again it would differ from what was signed.
        body = read_large_bytes(current_app.config["MAX_CONTENT_LENGTH"], large_events)
        event_id = verifier.verify(body, headers)
    except AppError as error:
        services.refusals.note(error)
        raise
    try:
        status = receive_event(
            services.database.transact,
            services.mirror,
            event_id,
            "svix",
            body,
            signed_at=int(values["svix-timestamp"]),
            instance_ids=services.clerk.instance_ids,
        )
    except TooManyAtOnce as error:
        raise AppError(ErrorCode.DATABASE_UNAVAILABLE, "Too many events about this user at once.") from error
    if status == FAILED:
        raise AppError(ErrorCode.WEBHOOK_FAILED, "The event could not be applied. It is kept; send it again.")
    return ReceivedOut(status=status)
