"""Delivers the outbox to the application's webhook endpoint, signed as Svix signs."""

import logging
import threading
from datetime import UTC, datetime
from http import HTTPStatus

import requests
from svix.webhooks import Webhook

from clerk_emulator import outbox
from clerk_emulator.clock import now_ms, real_ms
from clerk_emulator.instance import Instance
from clerk_emulator.outbox import Message
from clerk_emulator.store import Store

logger = logging.getLogger(__name__)

_ANSWER_TIMEOUT = 15
_MAX_IN_FLIGHT = 16


class Dispatcher:
    """One thread that starts the attempts that are due; each attempt waits for its answer in a thread of its own.

    Users do not wait for each other. One user's messages are sent one at a time, oldest first, but a message
    that waits for its next attempt lets the later ones pass: like Svix, this promises no order.
    """

    def __init__(self, store: Store, instance: Instance, endpoint: str) -> None:
        self._store = store
        self._webhook = Webhook(instance.webhook_secret)
        self._endpoint = endpoint
        self._users_in_flight: set[str] = set()
        self._last_answer: int | None = HTTPStatus.OK

    def start(self) -> None:
        # Daemon threads: an attempt that a shutdown cuts off is still in the outbox at the next start.
        threading.Thread(target=self._run, name="webhook-dispatcher", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._store.changed.clear()
            wait = self._start_due_attempts()
            self._store.changed.wait(wait)

    def _start_due_attempts(self) -> float | None:
        """Start what can be started now; return the seconds until something more is due, None if nothing is."""
        now = real_ms()
        # Taken before the outbox is read: whoever lands in between would be sent the same message again.
        busy = set(self._users_in_flight)
        with self._store.transaction() as db:
            while len(busy) < _MAX_IN_FLIGHT and (message := outbox.next_due(db, now, busy)):
                busy.add(message.user_id)
                self._users_in_flight.add(message.user_id)
                threading.Thread(target=self._attempt, args=(message,), daemon=True).start()
            next_at = outbox.next_attempt_at(db, now)
        return None if next_at is None else (next_at - now) / 1000

    def _attempt(self, message: Message) -> None:
        response_code = self._post(message)
        with self._store.transaction() as db:
            is_taken = outbox.record_attempt(db, message, response_code)
        # A closed endpoint would fill the terminal if each of ten thousand messages said so.
        if not is_taken and response_code != self._last_answer:
            answer = response_code or "no answer"
            logger.warning("webhook %s %s got %s and will be tried again", message.type, message.id, answer)
        self._last_answer = response_code
        self._users_in_flight.discard(message.user_id)
        # The write above woke the dispatcher while this user was still in flight; wake it again.
        self._store.changed.set()

    def _post(self, message: Message) -> int | None:
        """Make one attempt; return the status of the answer, None if there was none."""
        now = datetime.fromtimestamp(now_ms() / 1000, UTC)
        headers = {
            "Content-Type": "application/json",
            "svix-id": message.id,
            "svix-timestamp": str(int(now.timestamp())),
            "svix-signature": self._webhook.sign(message.id, now, message.body),
        }
        try:
            with requests.Session() as http:
                # A proxy of the developer's network cannot reach this machine's loopback.
                http.trust_env = False
                with http.post(
                    self._endpoint,
                    data=message.body.encode(),
                    headers=headers,
                    timeout=_ANSWER_TIMEOUT,
                    allow_redirects=False,
                    stream=True,  # the status decides; a long body is not worth waiting for
                ) as response:
                    return response.status_code
        except Exception:  # noqa: BLE001 - whatever an endpoint does, it is a failed attempt and never a lost message
            return None
