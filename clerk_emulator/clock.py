"""The emulator's time, which can be shifted: then payloads, tokens and signatures are of another hour."""

import time

# Ten years: identifiers count from 2014.
MAX_OFFSET = 315_360_000


class _Clock:
    """There is one, for one process is one instance."""

    offset_ms = 0


def now_ms() -> int:
    """Tell the time as Clerk's payloads do: Unix milliseconds."""
    return real_ms() + _Clock.offset_ms


def now() -> int:
    """Tell the time as tokens and signatures do: Unix seconds."""
    return now_ms() // 1000


def real_ms() -> int:
    """Tell the time that no shift changes; what waits for something, waits by this one."""
    return time.time_ns() // 1_000_000


def shift(seconds: int) -> None:
    """Be so many seconds ahead of the real time from now on, or behind it if there are fewer than none."""
    _Clock.offset_ms = seconds * 1000


def offset() -> int:
    return _Clock.offset_ms // 1000
