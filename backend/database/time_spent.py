"""How long a request has waited for the database, as its line in the log says."""

from contextvars import ContextVar

_seconds: ContextVar[list[float] | None] = ContextVar("database_seconds", default=None)


def begin() -> list[float]:
    """From here on, what is waited in this request or thread. Its one member grows."""
    spent = [0.0]
    _seconds.set(spent)
    return spent


def add(seconds: float) -> None:
    """Told by what waits: only the gevent worker does it itself, elsewhere the driver waits unseen."""
    spent = _seconds.get()
    if spent is not None:
        spent[0] += seconds
