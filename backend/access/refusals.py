"""Refused credentials: counted, and told in the log without filling it."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from backend.errors import AppError, ErrorCode

QUIET_SECONDS = 60.0

log = logging.getLogger(__name__)


class Refusals:
    """One a worker. `by_code`: how many there were since it began.

    Of each code there is a warning at most once a minute, under the request id of the one that it tells of: else a
    wrong issuer, for example, shows on the client alone.
    """

    def __init__(self, note: Callable[[ErrorCode], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`note` is told the code of each."""
        self.by_code: Counter[ErrorCode] = Counter()
        self._note = note
        self._clock = clock
        self._told: dict[ErrorCode, tuple[float, int]] = {}  # when, and how many there were by then

    def note(self, error: AppError) -> None:
        code, now = error.code, self._clock()
        if code is ErrorCode.SESSION_TOKEN_MISSING or code.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return  # nothing was shown that could be refused, or the trouble is ours
        self._note(code)
        self.by_code[code] += 1
        at, known = self._told.get(code, (now - QUIET_SECONDS, 0))
        if now - at >= QUIET_SECONDS:
            self._told[code] = (now, self.by_code[code])
            count = self.by_code[code] - known
            log.warning("Refused: %s (%d since this was last said). %s", code.value, count, error.detail)
