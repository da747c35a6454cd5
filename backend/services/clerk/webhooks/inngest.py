"""What Inngest makes of an event of Clerk: the delivery that it was."""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import NamedTuple

from backend.errors import AppError, ErrorCode
from backend.services.clerk.payloads import Unprocessable
from backend.services.clerk.webhooks.signature import HEADERS, WebhookVerifier

# No id of Svix has a colon: an event that comes both ways has a row for each, and its second arrival is stale.
PREFIX = "inngest:"
EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Delivery(NamedTuple):
    """As `receive_event` takes it."""

    event_id: str
    body: bytes
    signed_at: int


def read_delivery(
    verifier: WebhookVerifier | None, event_id: str, name: str, sent_at: int, data: Mapping[str, object]
) -> Delivery:
    """The event `name`, clerk/…, with its id and time (Unix milliseconds) at Inngest.

    `data` is Clerk's own: Inngest's secret URL is all that vouches for it. Or it has the body that Svix signed as
    `raw`, with its `headers`: what is signed counts then, and nothing beside it. Raises AppError (400) for a wrong
    signature, Unprocessable for what is none, AppError (503) where no secret is set to check it with.
    """
    if "raw" in data and "headers" in data:
        return _read_signed(verifier, data["raw"], data["headers"])
    body = json.dumps({"type": name.removeprefix("clerk/"), "timestamp": sent_at, "data": data}).encode()
    if not EVENT_ID.fullmatch(event_id):
        event_id = hashlib.sha256(body).hexdigest()
    return Delivery(PREFIX + event_id, body, int(time.time()))


def _read_signed(verifier: WebhookVerifier | None, raw: object, headers: object) -> Delivery:
    if verifier is None:
        raise AppError(ErrorCode.WEBHOOKS_NOT_CONFIGURED, "Set CLERK_WEBHOOK_SECRET to check Clerk's signatures.")
    if not isinstance(raw, str) or not isinstance(headers, dict):
        raise Unprocessable("raw is not a text, or headers no object")
    sent = {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}
    body, values = raw.encode("utf-8", "surrogatepass"), {name: sent.get(name, "") for name in HEADERS}
    # Inngest may call hours after Svix did: it tries again, and can be told to begin anew.
    svix_id = verifier.verify(body, values, must_be_fresh=False)
    return Delivery(PREFIX + svix_id, body, int(values["svix-timestamp"]))
