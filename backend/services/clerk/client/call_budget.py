"""How often one caller may make us ask Clerk, which counts all of our calls together."""

import time
from collections import OrderedDict
from collections.abc import Callable

from backend.errors import AppError, ErrorCode

CALLS_AT_ONCE = 10  # of the 100 in ten seconds that Clerk allows to a development instance, 1,000 to a production one
SECONDS_A_CALL = 1.0  # after which one more is allowed
MAX_CALLERS = 10_000  # about 2 MB


class CallBudget:
    """One a worker; each purpose of a caller has its own. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._whole_at: OrderedDict[tuple[str, object], float] = OrderedDict()  # when nothing of it is spent any more

    def spend(self, purpose: str, caller: object) -> None:
        """Count a call. Raises AppError (429) when the caller has to wait, and counts nothing then."""
        now = self._clock()
        whole_at = max(self._whole_at.get((purpose, caller), now), now) + SECONDS_A_CALL
        wait = whole_at - now - CALLS_AT_ONCE * SECONDS_A_CALL
        if wait > 0:
            detail = "You made us ask Clerk too often in a short time. Wait a moment, then try again."
            raise AppError(ErrorCode.RATE_LIMITED, detail, retry_after=wait)
        self._whole_at[purpose, caller] = whole_at
        self._whole_at.move_to_end((purpose, caller))
        # Bounded: who asked longest ago goes first.
        if len(self._whole_at) > MAX_CALLERS:
            self._whole_at.popitem(last=False)
