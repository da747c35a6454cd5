"""One identity for every request, whichever credential it came with."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling. Signed out, everything but `kind` is None, as in Clerk's auth object."""

    kind: Literal["clerk", "anonymous"]
    user_id: int | None = None
    clerk_user_id: str | None = None
    session_id: str | None = None
    actor: str | None = None
    role: str | None = None
    plan: str | None = None

    @property
    def is_authenticated(self) -> bool:
        return self.user_id is not None


ANONYMOUS = Identity(kind="anonymous")
