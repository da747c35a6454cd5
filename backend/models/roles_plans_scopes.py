"""The roles of users, the plans, both in ascending order, and the scopes of API keys."""

from enum import StrEnum
from typing import Self


def one_of(column: str, choices: type[StrEnum]) -> str:
    """The condition that a column holds one of the choices, as SQL."""
    return column + " IN (" + ", ".join(f"'{choice}'" for choice in choices) + ")"


class _Ranked(StrEnum):
    def includes(self, other: Self) -> bool:
        """Whether this one may do all that the other may."""
        order = list(type(self))
        return order.index(self) >= order.index(other)


class Role(_Ranked):
    """What a user is to this application. Ours alone: Clerk's organization roles are another thing."""

    USER = "user"
    DEVELOPER = "developer"
    ADMIN = "admin"


class Plan(_Ranked):
    FREE = "free"
    PRO = "pro"
    ENTERPRISE = "enterprise"


# What an API key may be used for, as thing:action. A docstring would stand in /openapi.json.
class Scope(StrEnum):
    PROFILE_READ = "profile:read"
    PROFILE_WRITE = "profile:write"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    TOKENS_READ = "tokens:read"
    TOKENS_SPEND = "tokens:spend"

    def includes(self, other: Self) -> bool:
        """Whether this one may do all that the other may. Whoever may change a thing may read it: the answer to any
        change shows it whole.
        """
        return other in {self, f"{self.partition(':')[0]}:read"}


# By the name that a key has it under.
SCOPES_WITHIN: dict[str, frozenset[Scope]] = {scope: frozenset(filter(scope.includes, Scope)) for scope in Scope}
