import time


def now_ms() -> int:
    """Tell the time as Clerk's payloads do: Unix milliseconds."""
    return time.time_ns() // 1_000_000
