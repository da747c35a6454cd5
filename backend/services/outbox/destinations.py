"""Who can ask for events: an endpoint of your own, Inngest, and functions of this application."""

import contextlib
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import requests
import urllib3
from sqlalchemy import Connection
from svix.webhooks import Webhook

from backend.database.transactions import Transact
from backend.deadline import Deadline, RequestTimeout
from backend.services.clerk.client.http import HttpClient, read_retry_after
from backend.services.outbox.announcements import AppEvent
from backend.services.outbox.deliveries import Delivery, Refused, mark_sent

# Standard Webhooks recommends 15 to 30 s.
SEND_SECONDS = 15.0
# So much of a response is read, so that the connection can be kept.
MAX_RESPONSE_BYTES = 65_536


class Endpoint:
    """An HTTPS endpoint of your own, by Standard Webhooks 1.0: it tells a genuine event by its signature."""

    name = "url"
    events: Collection[AppEvent] = tuple(AppEvent)

    def __init__(self, url: str, secrets: Sequence[str]) -> None:
        """`secrets`: it is signed with each of them, two while one takes the place of the other."""
        self._url = url
        self._signers = [Webhook(secret) for secret in secrets]
        self._client = HttpClient()

    def deliver(self, transact: Transact, delivery: Delivery) -> None:
        told = {"type": delivery.type, "timestamp": delivery.created_at.isoformat(), "data": delivery.data}
        body, now = json.dumps(told), datetime.now(UTC)
        headers = {
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(delivery.event_id, now, body) for signer in self._signers),
        }
        _post(self._client, self._url, body, headers)
        transact(lambda connection: mark_sent(connection, delivery))


class Inngest:
    """Inngest's event API."""

    name = "inngest"
    events: Collection[AppEvent] = tuple(AppEvent)

    def __init__(self, url: str) -> None:
        """`url`: with the event key."""
        self._url = url
        self._client = HttpClient()

    def deliver(self, transact: Transact, delivery: Delivery) -> None:
        at = round(delivery.created_at.timestamp() * 1000)
        # Of one id Inngest lets a function run once in 24 hours.
        told = {"id": delivery.event_id, "name": delivery.type, "ts": at, "data": delivery.data}
        _post(self._client, self._url, json.dumps(told), {})
        transact(lambda connection: mark_sent(connection, delivery))


class SignedUp(NamedTuple):
    """Who signed up. The user may have changed or be gone by the time a function gets this."""

    user_id: int
    clerk_user_id: str


SignUpHandler = Callable[[Connection, SignedUp], None]
_SIGN_UP_HANDLERS: dict[str, SignUpHandler] = {}


def on_sign_up(handler: SignUpHandler) -> SignUpHandler:
    """Let a function run once for each user who signs up, after the commit and outside of any request.

    What it does through the connection happens exactly once. What it does elsewhere may happen again: after an error,
    or when its worker is killed, it is tried again, as the outbox does. Its name is kept there: renamed, it is another.
    """
    _SIGN_UP_HANDLERS[f"{handler.__module__}.{handler.__qualname__}"] = handler
    return handler


class SignUpFunction:
    """A function of on_sign_up()."""

    events: Collection[AppEvent] = (AppEvent.USER_SIGNED_UP,)

    def __init__(self, name: str, handler: SignUpHandler) -> None:
        self.name = name
        self._handler = handler

    def deliver(self, transact: Transact, delivery: Delivery) -> None:
        def run(connection: Connection) -> None:
            if mark_sent(connection, delivery):
                self._handler(connection, SignedUp(**delivery.data))

        transact(run)


def sign_up_functions() -> list[SignUpFunction]:
    return [SignUpFunction(name, handler) for name, handler in _SIGN_UP_HANDLERS.items()]


def _post(client: HttpClient, url: str, body: str, headers: dict[str, str]) -> None:
    """Raises Refused. Its text names no address: that of Inngest holds our key."""
    reason, pause = "", timedelta()
    deadline = Deadline(SEND_SECONDS)
    try:
        with client.post(
            url,
            data=body.encode(),
            headers={"Content-Type": "application/json", **headers},
            timeout=SEND_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as response:
            if not requests.codes.ok <= response.status_code < requests.codes.multiple_choices:
                reason = f"answered {response.status_code}"
                pause = timedelta(seconds=read_retry_after(response.headers.get("Retry-After", "")) or 0)
            # Its status has been told, whatever becomes of the rest.
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                response.raw.read(MAX_RESPONSE_BYTES)
    except requests.RequestException as error:
        reason = type(error).__name__
    except RequestTimeout:
        reason = "took too long"
    finally:
        deadline.end()
    # Not inside `except`: that error holds the address.
    if reason:
        raise Refused(reason, pause)
