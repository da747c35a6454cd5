"""What a check looks at, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from backend.services.clerk.client.backend_api import BackendApi
from backend.services.core.public_keys import Keys, load_pem, usable_keys
from config import Settings

T = TypeVar("T")


class State(StrEnum):
    """`off`: not set up, or not to be told because of what another check found."""

    OK = "ok"
    FAILED = "failed"
    OFF = "off"


class Finding(NamedTuple):
    """No part of it is a secret or somebody's address. `mend`: what to do, in one sentence."""

    state: State
    says: str
    mend: str = ""


class Read(Protocol):
    """Runs work that changes nothing. `Database.read`."""

    def __call__(self, work: Callable[[Connection], T], /) -> T: ...


@dataclass(frozen=True)
class Subject:
    """The installation, as this process would serve it."""

    settings: Settings
    read: Read
    backend_api: BackendApi

    @cached_property
    def keys(self) -> Keys:
        """The public keys that tokens are verified with, as they are now. Raises FetchError.

        Not those of ClerkService: what it fetches it keeps in a file, and whoever asks here may be another user of the
        system than the server, which then could not write that file.
        """
        if self.settings.clerk_jwt_key:
            return {"": load_pem(self.settings.clerk_jwt_key)}
        return usable_keys(self.backend_api.fetch_key_set(self.settings.jwks_url))

    def shares_key(self, key_set: object) -> bool:
        """Whether a JWK set has one of these keys: then it is of the same Clerk instance. Raises FetchError."""
        theirs = usable_keys(key_set).values()
        return any(key in theirs for key in self.keys.values())


def ok(says: str) -> Finding:
    return Finding(State.OK, says)


def failed(says: str, mend: str) -> Finding:
    return Finding(State.FAILED, says, mend)


def off(says: str, mend: str = "") -> Finding:
    return Finding(State.OFF, says, mend)


def show_age(seconds: float) -> str:
    """In the largest unit of which there is at least one."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
