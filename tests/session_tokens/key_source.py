"""A key set on a clock and with a fetch of the tests' own."""

import threading
from collections.abc import Callable
from typing import Any

from backend.errors import AppError, ErrorCode
from backend.services.core.jwks import RemoteKeySet
from tests.support.clerk import Instance

LIFETIME = 3600.0
# Longer than any wait here should last, so that a fault fails and does not hang.
PATIENCE = 5.0

ONE, TWO = Instance(), Instance()


def set_of(*instances: Instance) -> dict[str, Any]:
    return {"keys": [instance.jwk for instance in instances]}


class Source:
    """The clock, and what Clerk answers at the moment. `gate` holds fetches back while it is clear."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answer: object = set_of(ONE)
        self.fetches = 0
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)
        self.answered = threading.Semaphore(0)
        self.keys = RemoteKeySet(
            "https://clerk.test/jwks", LIFETIME, fetch=self._fetch, clock=lambda: self.now
        )

    def _fetch(self, url: str) -> object:
        assert url == "https://clerk.test/jwks"
        self.fetches += 1
        self.asked.release()
        answer = self.answer
        assert self.gate.wait(PATIENCE)
        try:
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.answered.release()

    def code(self, kid: str | None) -> ErrorCode | None:
        try:
            self.keys.get(kid)
        except AppError as error:
            return error.code
        return None

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """What a fetch brings is there a moment after it ended."""
        pause = threading.Event()
        for _ in range(500):
            if is_so():
                return
            pause.wait(0.01)
        raise AssertionError("it never came")
