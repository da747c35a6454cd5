"""Waiting in order for one of a few places."""

from collections import deque
from threading import Lock
from time import monotonic


class FairSemaphore:
    """So many at once; whoever waits longest comes next.

    The semaphores and queues of gevent and of Python give a place that becomes free to whoever runs first. Who had to
    wait was passed again and again: at 32 connections the slowest of a hundred `/auth/me` took 20 times the median.
    """

    def __init__(self, places: int) -> None:
        self.size = places
        self.waits = 0  # how often somebody had to wait
        self.waited_seconds = 0.0
        # Both change by single operations that no thread can interrupt: a lock would cost more than all of this.
        self._free = [None] * places
        self._waiting: deque[Lock] = deque()

    @property
    def has_room(self) -> bool:
        """Whether somebody could come in without waiting."""
        return bool(self._free)

    @property
    def in_use(self) -> int:
        return self.size - len(self._free)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def acquire(self, timeout: float) -> bool:
        """Wait for a place, at most so many seconds. False: none became free."""
        if not self._waiting:
            try:
                self._free.pop()
            except IndexError:
                pass
            else:
                return True
        began_at = monotonic()
        try:
            return self._wait(timeout)
        finally:
            self.waits += 1
            self.waited_seconds += monotonic() - began_at

    def _wait(self, timeout: float) -> bool:
        turn = Lock()
        turn.acquire()  # to be released by whoever makes room
        self._waiting.append(turn)
        self._call_next()  # another thread may have made room before it could see us
        try:
            has_come = turn.acquire(timeout=timeout)
        except BaseException:  # the deadline of the request
            if not self._give_up(turn):
                self.release()
            raise
        return has_come or not self._give_up(turn)

    def release(self) -> None:
        self._free.append(None)
        if self._waiting:
            self._call_next()

    def _call_next(self) -> None:
        while self._free and self._waiting:
            try:
                self._free.pop()
            except IndexError:
                return
            try:
                self._waiting.popleft().release()
            except IndexError:
                self._free.append(None)

    def _give_up(self, turn: Lock) -> bool:
        """Wait no longer. False: the turn has come meanwhile."""
        try:
            self._waiting.remove(turn)
        except ValueError:
            return False
        return True
