"""Clerk's `has()`: is this session allowed what is asked?

Semantics of @clerk/backend 3.25.0. Every demand must be met; a demand that cannot be judged is not met. (Clerk's own
check once let one met demand stand for all of them: CVE-2026-42349.)
"""

import re
from collections.abc import Callable, Mapping
from typing import TypedDict, Unpack

from backend.services.core.entitlements import Entitlements

NO_FACTOR = -1  # Clerk's age of a factor that the user does not have or never gave
LEVELS = frozenset({"first_factor", "second_factor", "multi_factor"})
PRESETS = {
    "strict_mfa": ("multi_factor", 10),
    "strict": ("second_factor", 10),
    "moderate": ("second_factor", 60),
    "lax": ("second_factor", 1440),
}
SCOPES = {"u": "u", "user": "u", "o": "o", "org": "o", "organization": "o"}
ORG_PREFIXES = re.compile("^(?:org:)*")


class Demands(TypedDict, total=False):
    """What can be asked of a session; None asks nothing.

    `admin` and `org:admin` are the same role, `invoices:read` and `org:invoices:read` the same permission. A plan or
    feature holds for user or organization unless prefixed: `user:gold`, `org:gold`. `reverification` is "strict_mfa",
    "strict", "moderate", "lax" or {"level": "second_factor", "after_minutes": 30}.
    """

    role: str | None
    permission: str | None
    feature: str | None
    plan: str | None
    reverification: object


def is_authorized(user_is_signed_in: bool, entitlements: Entitlements, **demands: Unpack[Demands]) -> bool:
    """Whether all that is asked holds; False when nothing is asked, or nobody is signed in."""
    asked = [(CHECKS[name], wanted) for name, wanted in demands.items() if wanted is not None]
    return user_is_signed_in and bool(asked) and all(check(entitlements, wanted) for check, wanted in asked)


def _has_role(entitlements: Entitlements, wanted: object) -> bool:
    if entitlements.org_id is None or entitlements.org_role is None or not isinstance(wanted, str):
        return False
    return bare_name(wanted) != "" and bare_name(wanted) == bare_name(entitlements.org_role)


def _has_permission(entitlements: Entitlements, wanted: object) -> bool:
    if entitlements.org_id is None or not isinstance(wanted, str):
        return False
    return f"org:{bare_name(wanted)}" in entitlements.org_permissions


def bare_name(name: str) -> str:
    """A role or permission without `org:` in front, which it may be written with or without."""
    return ORG_PREFIXES.sub("", name)


def _holds(names: frozenset[str], wanted: object) -> bool:
    if not isinstance(wanted, str):
        return False
    if ":" not in wanted:
        return f"o:{wanted}" in names or f"u:{wanted}" in names
    prefix, _, slug = wanted.partition(":")
    return prefix in SCOPES and f"{SCOPES[prefix]}:{slug}" in names


def _is_verified(entitlements: Entitlements, wanted: object) -> bool:
    """Whether the factors were given within the minutes asked for.

    A user without a second factor is judged by the first one at every level, as at Clerk: else nobody without one could
    ever pass.
    """
    rule = _read_rule(wanted)
    ages = entitlements.factor_verification_age
    if rule is None or ages is None:
        return False
    level, minutes = rule
    first_is_fresh, second_is_fresh = (age != NO_FACTOR and age < minutes for age in ages)
    if level == "first_factor" or ages[1] == NO_FACTOR:
        return first_is_fresh
    return second_is_fresh and (level == "second_factor" or first_is_fresh)


def _read_rule(wanted: object) -> tuple[str, float] | None:
    """The level and the minutes meant by a preset or a mapping (Clerk's spelling `afterMinutes` too)."""
    if isinstance(wanted, str):
        return PRESETS.get(wanted)
    if not isinstance(wanted, Mapping) or ("after_minutes" in wanted and "afterMinutes" in wanted):
        return None
    level, minutes = wanted.get("level"), wanted.get("after_minutes", wanted.get("afterMinutes"))
    if not isinstance(level, str) or level not in LEVELS:
        return None
    if isinstance(minutes, bool) or not isinstance(minutes, int | float):
        return None
    return level, minutes  # no age is below zero minutes or fewer, nor below NaN: those never hold


CHECKS: Mapping[str, Callable[[Entitlements, object], bool]] = {
    "role": _has_role,
    "permission": _has_permission,
    "feature": lambda entitlements, wanted: _holds(entitlements.features, wanted),
    "plan": lambda entitlements, wanted: _holds(entitlements.plans, wanted),
    "reverification": _is_verified,
}
