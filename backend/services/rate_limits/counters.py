"""Counting requests by a sliding window, in this process.

The window before counts by the part of it that the last minute still covers: nobody gets twice the limit around the
turn of a minute, and no time of a single request is kept. `limits`, which does the same in Redis, starts a timer at up
to every request for it in process, looks through all counters then and has no bound.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

WINDOW_SECONDS = 60
MAX_COUNTED = 50_000  # in a minute; 20 MB


class Spent(NamedTuple):
    """What became of one request. `seconds`: until the next one is taken, after a refusal; else until more are left."""

    is_allowed: bool
    remaining: int
    seconds: float


class InProcess:
    """Whoever comes when a minute has MAX_COUNTED already is not counted in it: nobody loses their counter to a flood
    of invented addresses, and memory has a bound.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window = 0.0
        self._before: dict[str, int] = {}
        self._now: dict[str, int] = {}

    def hit(self, key: str, amount: int, cost: int = 1) -> Spent:
        """Count a request unless it is beyond the limit. With `cost` 0 only say whether one more is."""
        window, since = divmod(self._clock(), WINDOW_SECONDS)
        if window != self._window:
            self._before = self._now if window == self._window + 1 else {}
            self._now = {}
            self._window = window
        used, before, left = self._now.get(key, 0), self._before.get(key, 0), WINDOW_SECONDS - since
        is_allowed = used + int(before * left / WINDOW_SECONDS) < amount
        if is_allowed and cost and (used or len(self._now) < MAX_COUNTED):
            used += cost
            self._now[key] = used
        return weigh(amount, before, used, left, is_allowed=is_allowed)


def weigh(amount: int, before: int, used: int, left: float, *, is_allowed: bool) -> Spent:
    """`left`: seconds of this window, in which there were `used`; in the one before it there were `before`."""
    if is_allowed:
        return Spent(True, max(0, amount - used - int(before * left / WINDOW_SECONDS)), left)
    if used >= amount:
        return Spent(False, 0, left + WINDOW_SECONDS - amount * WINDOW_SECONDS / used)
    # While the weight of the window before falls. In Redis that may have ended since the refusal.
    return Spent(False, 0, left - (amount - used) * WINDOW_SECONDS / max(before, 1))
