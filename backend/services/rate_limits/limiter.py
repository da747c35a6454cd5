"""Counting where it is exact, and in this process while that is not to be had."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal, Protocol

from backend.services.rate_limits.counters import WINDOW_SECONDS, InProcess, Spent
from backend.services.rate_limits.table import Group

PAUSE_SECONDS = 2.0  # between two looks at a Redis that is away

Place = Literal["redis", "process", "off"]

log = logging.getLogger(__name__)


class Shared(Protocol):
    """InRedis, which is not imported without Redis."""

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]: ...
    def hit(self, key: str, amount: int, cost: int = 1) -> Spent: ...
    def look(self) -> None: ...


class RateLimiter:
    """One a worker. `shared`: where all workers count; without it, each counts for itself.

    What `shared` fails at, this process decides, and goes on with that until `shared` answers again: only requests that
    were under way have waited for it. This process counts all the time, so that it knows then what it has let through.

    For metrics: `is_alone`, while `shared` is away; `outages`, how often that began; `refused`, by group.
    """

    def __init__(self, shared: Shared | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._own = InProcess(clock=clock)
        self._clock = clock
        self._own_counts_until = 0.0
        self.is_alone = False
        self.outages = 0
        self.refused: Counter[Group] = Counter()

    @property
    def place(self) -> Place:
        """Where requests are counted at this moment."""
        return "redis" if self._shared is not None and not self.is_alone else "process"

    def hit(self, group: Group, who: str, amount: int, cost: int = 1) -> Spent:
        """Count a request of somebody unless it is beyond the limit. With `cost` 0 only say whether one more is."""
        spent = self._hit(f"{group}:{who}", amount, cost)
        if not spent.is_allowed:
            self.refused[group] += 1
        return spent

    def _hit(self, key: str, amount: int, cost: int) -> Spent:
        own = self._own.hit(key, amount, cost)
        if self._shared is None or self.is_alone:
            return own
        if not own.is_allowed and self._clock() < self._own_counts_until:
            # Redis knows nothing of what was let through while it was away, or has forgotten all.
            return own
        try:
            return self._shared.hit(key, amount, cost)
        except self._shared.base_exceptions as error:
            self._go_alone(self._shared, error)
            return own

    def _go_alone(self, shared: Shared, error: Exception) -> None:
        if self.is_alone:
            return  # another request was faster
        self.is_alone = True
        self.outages += 1
        # Not its text: it may hold the address, with the password.
        log.warning("Redis cannot be used (%s): each worker counts requests for itself.", type(error).__name__)
        threading.Thread(target=self._come_back, args=(shared,), name="rate-limits", daemon=True).start()

    def _come_back(self, shared: Shared) -> None:
        """No request waits for the answer."""
        while self.is_alone:
            time.sleep(PAUSE_SECONDS)
            try:
                shared.look()
            except shared.base_exceptions:
                continue
            self._own_counts_until = self._clock() + WINDOW_SECONDS
            self.is_alone = False
            log.warning("Redis is back: requests are counted together again.")
