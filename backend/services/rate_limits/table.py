"""The limits: requests a minute, by what is asked for and by whom. docs/rate-limits.md shows them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from backend.models.roles_plans_scopes import Plan
from backend.services.plans.catalogue import PLANS

ANONYMOUS = "anonymous"


class Group(StrEnum):
    """What requests are counted together, in words for the table."""

    about: str

    def __new__(cls, value: str, about: str) -> Self:
        group = str.__new__(cls, value)
        group._value_ = value
        group.about = about
        return group

    READ = "read", "GET and HEAD, where nothing below applies"
    WRITE = "write", "other methods, where nothing below applies"
    KEYS = "keys", "making, rotating and revoking API keys"
    SESSIONS = "sessions", "ending a session"
    LIVE = "live", "asking Clerk whether a session goes on: `/protected?session_id=…`, `live=True`"
    REFUSED = "refused", "requests whose credential is missing or refused"
    NEW_USERS = "new-users", "users who were never seen before"


class Row(NamedTuple):
    """By rate tier, as the plans name it. `anonymous`: of one address. None: there are no such requests."""

    anonymous: int | None
    free: int | None
    pro: int | None
    enterprise: int | None


LIMITS: Mapping[Group, Row] = MappingProxyType(
    {
        #                    anonymous  free    pro  enterprise
        Group.READ: Row(          600,   600, 1_800,      6_000),
        Group.WRITE: Row(         120,   300,   900,      3_000),
        Group.KEYS: Row(         None,    30,    30,         60),
        Group.SESSIONS: Row(     None,    20,    20,         20),
        Group.LIVE: Row(         None,    30,    30,         30),
        Group.REFUSED: Row(       300,  None,  None,       None),
        Group.NEW_USERS: Row(     120,  None,  None,       None),
    }
)  # fmt: skip


class Limit(NamedTuple):
    """What counts against which limit on the routes of a blueprint, by method."""

    read: Group = Group.READ
    write: Group = Group.WRITE


def amount(group: Group, plan: str | None) -> int:
    """Of a user with this plan; None for an address. Raises ValueError where the table has none."""
    found: int | None = getattr(LIMITS[group], ANONYMOUS if plan is None else PLANS[Plan(plan)].rate_tier)
    if found is None:
        raise ValueError(f"The table of rate limits has nothing for {group} and {plan or ANONYMOUS}.")
    return found
