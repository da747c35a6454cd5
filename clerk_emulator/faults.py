"""Faults on demand: what goes wrong between Clerk and an application now and then, as often as a test wants it."""

from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Whoever sets up a test has to get through, as the emulator's own commands have.
EXEMPT_HEADERS = {"Emulator-Faults": "off"}

_Rate = Annotated[float, Field(ge=0, le=1)]

_FAULTS = ("drop", "double", "delay", "reorder", "too_many_requests", "server_error")
_SERVER_ERRORS = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class FaultSettings(BaseModel):
    """How often each fault strikes, from 0 (never) to 1 (always), and what goes with it."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    drop: _Rate = 0
    double: _Rate = 0
    delay: _Rate = 0
    reorder: _Rate = 0
    delay_seconds: float = Field(5, ge=0, le=86_400)
    too_many_requests: _Rate = 0
    retry_after: int = Field(1, ge=0, le=86_400)
    server_error: _Rate = 0


@dataclass(frozen=True)
class Fate:
    """What becomes of one webhook message."""

    is_dropped: bool
    is_doubled: bool
    wait_ms: int


class Faults:
    """Decides what strikes: the same settings, the same messages and requests, counted from when they were set."""

    def __init__(self, settings: FaultSettings) -> None:
        self.set(settings)

    def set(self, settings: FaultSettings) -> None:
        """Begin anew with these settings."""
        self.settings = settings
        # A sequence for each fault, so that another rate of one leaves what the others strike as it was.
        self._random = {name: Random(f"{settings.seed} {name}") for name in _FAULTS}  # noqa: S311 - repeatable

    def message_fate(self) -> Fate:
        """Decide about the next message."""
        is_delayed, is_reordered = self._strikes("delay"), self._strikes("reorder")
        part = self._random["reorder"].random()
        wait = self.settings.delay_seconds * (1 if is_delayed else part if is_reordered else 0)
        return Fate(self._strikes("drop"), self._strikes("double"), int(wait * 1000))

    def refusal(self) -> HTTPStatus | None:
        """Decide with what the next request to the Backend API is refused, if it is."""
        is_too_much, is_broken = self._strikes("too_many_requests"), self._strikes("server_error")
        if is_too_much:
            return HTTPStatus.TOO_MANY_REQUESTS
        return self._random["server_error"].choice(_SERVER_ERRORS) if is_broken else None

    def _strikes(self, name: str) -> bool:
        rate: float = getattr(self.settings, name)
        return self._random[name].random() < rate
