"""Whether this server's clock is right: told by Clerk's responses, and by tokens that are good but for their time."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

import requests

from backend.errors import ErrorCode
from backend.services.core.claims import SKEW_SECONDS

# Their signature is good, so nobody can invent them: only a clock that is behind refuses so many.
EARLY = frozenset({ErrorCode.TOKEN_IAT_IN_THE_FUTURE, ErrorCode.TOKEN_NOT_ACTIVE_YET})
RUSH = 10
RUSH_SECONDS = 60.0
QUIET_SECONDS = 600.0

log = logging.getLogger(__name__)


class ClerkClock:
    """One a worker. `ahead`: by how many seconds Clerk's clock is ahead of ours; None while no response has told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.ahead: float | None = None
        self._clock = clock
        self._early: deque[float] = deque(maxlen=RUSH)
        self._told_at = -math.inf

    @property
    def is_off(self) -> bool:
        return self._is_far or self._is_rush

    @property
    def state(self) -> Literal["ok", "failed", "unknown"]:
        return "failed" if self.is_off else "unknown" if self.ahead is None else "ok"

    def hear(self, response: requests.Response, **_options: object) -> None:
        """A hook of requests."""
        if (theirs := read_date(response)) is not None:
            self.ahead = theirs - (time.time() - response.elapsed.total_seconds() / 2)
            self._tell()

    def note(self, code: ErrorCode) -> None:
        """Of a refused session token."""
        if code in EARLY:
            self._early.append(self._clock())
            self._tell()

    @property
    def _is_far(self) -> bool:
        return self.ahead is not None and abs(self.ahead) > SKEW_SECONDS

    @property
    def _is_rush(self) -> bool:
        return len(self._early) == RUSH and self._clock() - self._early[0] < RUSH_SECONDS

    def _tell(self) -> None:
        if self.is_off and self._clock() - self._told_at >= QUIET_SECONDS:
            self._told_at = self._clock()
            reason = describe_difference("Clerk", self.ahead or 0) if self._is_far else f"{RUSH} tokens came too early"
            log.error("The clock of this server is wrong, and good session tokens are refused: %s. Set it.", reason)


def describe_difference(whose: str, ahead: float) -> str:
    """`ahead`: by how many seconds their clock is ahead of ours."""
    return (
        f"the clock of this server and {whose}'s differ by {abs(ahead):.0f} s: this one is "
        f"{'behind' if ahead > 0 else 'ahead'}, and {SKEW_SECONDS:.0f} s are allowed for"
    )


def read_date(response: requests.Response) -> float | None:
    """When it was written, in Unix seconds; one that a cache has kept is as old as that says."""
    try:
        date = parsedate_to_datetime(response.headers["Date"]).replace(tzinfo=UTC)
        age = int(response.headers.get("Age", 0))
    except (KeyError, ValueError, TypeError):
        return None
    # The header has whole seconds: half of one was cut off on average.
    return date.timestamp() + age + 0.5
