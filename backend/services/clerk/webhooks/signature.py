"""Checking that a webhook was signed by Clerk's sender, Svix (Standard Webhooks 1.0.0)."""

import hmac
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pydantic import SecretStr

from backend.errors import AppError, ErrorCode

TOLERANCE_SECONDS = 300
HEADERS = ("svix-id", "svix-timestamp", "svix-signature")
# Stricter than the library, which takes `+1`, `1_700`, floats, dots in ids and junk in base64: what it takes beyond
# this is no delivery of Svix, and part of it escapes from the library as plain ValueError.
EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
TIMESTAMP = re.compile(r"[0-9]{10}")
SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
MAX_SIGNATURES = 16


class WebhookVerifier:
    """Verifies deliveries under any of the configured secrets: two are valid while one is being rotated."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        from svix.webhooks import Webhook  # noqa: PLC0415 - 0.9 s of imports, only where webhooks are received

        self._webhooks = tuple(Webhook(secret.get_secret_value()) for secret in secrets)

    def check_headers(self, headers: Mapping[str, str], *, must_be_fresh: bool = True) -> dict[str, str]:
        """Check all that needs no body: presence, form, time. Return the trimmed values. Raises AppError (400).

        `must_be_fresh`: whether it must have been signed just now.
        """
        values = {name: headers[name].strip() for name in HEADERS}
        if missing := [name for name, value in values.items() if not value]:
            raise AppError(ErrorCode.WEBHOOK_HEADERS_MISSING, f"Missing headers: {', '.join(missing)}.")
        if not EVENT_ID.fullmatch(values["svix-id"]) or not TIMESTAMP.fullmatch(values["svix-timestamp"]):
            raise _invalid()
        if must_be_fresh and abs(time.time() - int(values["svix-timestamp"])) > TOLERANCE_SECONDS:
            raise AppError(
                ErrorCode.WEBHOOK_TIMESTAMP_OUT_OF_TOLERANCE,
                f"The delivery is more than {TOLERANCE_SECONDS} s away from this server's clock.",
            )
        return values

    def verify(self, body: bytes, headers: Mapping[str, str], *, must_be_fresh: bool = True) -> str:
        """Return the event id of a delivery whose raw body is signed. `headers`: HEADERS, "" where absent.

        Raises AppError (400).
        """
        values = self.check_headers(headers, must_be_fresh=must_be_fresh)
        signatures = [part for part in values["svix-signature"].split(" ") if SIGNATURE.fullmatch(part)]
        if not self._is_signed(body, values["svix-id"], values["svix-timestamp"], signatures[:MAX_SIGNATURES]):
            raise _invalid()
        return values["svix-id"]

    def _is_signed(self, body: bytes, event_id: str, timestamp: str, signatures: list[str]) -> bool:
        """By what the library signs: what it verifies must be fresh."""
        try:
            text = body.decode()
        except ValueError:  # Svix signs text, so it is not a delivery
            return False
        at = datetime.fromtimestamp(int(timestamp), UTC)
        expected = [webhook.sign(event_id, at, text) for webhook in self._webhooks]
        return any(hmac.compare_digest(one, signature) for one in expected for signature in signatures)


def _invalid() -> AppError:
    return AppError(
        ErrorCode.WEBHOOK_SIGNATURE_INVALID,
        "The signature does not fit. Check that CLERK_WEBHOOK_SECRET is the signing secret of this endpoint.",
    )
