"""What a session token says of organization, features, plans, and when its user last proved who they are.

Clerk signs the tokens, but the shape inside is not trusted: a malformed part grants nothing, the rest counts, and
nothing here raises. Sources: @clerk/backend 3.25.0 and Clerk's page on session tokens (versions 1 and 2). Whatever is
granted here, Clerk's SDK grants too, from every token that it can read.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

MAX_TEXT = 8192  # no token is longer
MAX_NAME = 255
MAX_ENTRIES = 1024  # of each list, and of the permissions that features times permissions make
MAX_MASK_DIGITS = 256  # enough for 850 permissions; int() raises ValueError beyond 4,300 digits
MAX_AGE = 2**53  # minutes; JavaScript counts no further, and Clerk's SDK refuses what is infinite there

VERSION_2 = 2
NOTHING: frozenset[str] = frozenset()
GRANTS = frozenset({"org_id", "o", "fea", "pla"})
ORGANIZATION_SCOPES = frozenset({"o", "ou", "uo"})
USER_SCOPES = frozenset({"u", "ou", "uo"})


class Entitlements(NamedTuple):
    """What a session may do, by its token.

    Without `org_id` the other `org_*` are empty too. `org_role` is as Clerk's SDK exposes it, `org_permissions` are
    full names (`org:invoices:read`). `features` and `plans` carry one scope each (`u:gold`, `o:gold`): what holds for
    both stands there twice. `factor_verification_age` is minutes since the first and since the second factor, -1 where
    there is none.
    """

    org_id: str | None = None
    org_slug: str | None = None
    org_role: str | None = None
    org_permissions: frozenset[str] = NOTHING
    features: frozenset[str] = NOTHING
    plans: frozenset[str] = NOTHING
    factor_verification_age: tuple[int, int] | None = None


NO_ENTITLEMENTS = Entitlements()


def read_entitlements(claims: Mapping[str, object]) -> Entitlements:
    """Read the claims of a verified session token. Never raises."""
    ages = _read_ages(claims.get("fva"))
    if claims.keys().isdisjoint(GRANTS):
        return Entitlements(factor_verification_age=ages) if ages else NO_ENTITLEMENTS
    features = _read_scoped(claims.get("fea"))
    # 2.0 is version 2 for Clerk as well (JSON has one kind of number); read as version 1 it would bring the
    # flat claims back.
    if claims.get("v") == VERSION_2:
        organization = _read_organization(claims.get("o"), features)
    else:
        organization = _read_flat_organization(claims)
    plans = _scoped_names(_read_scoped(claims.get("pla")))
    return organization._replace(
        features=_shared(_scoped_names(features)), plans=_shared(plans), factor_verification_age=ages
    )


@lru_cache(maxsize=1_000)
def _shared(names: frozenset[str]) -> frozenset[str]:
    """Equal sets as one object: the members of an organization have the same, and 10,000 tokens are remembered.

    10,000 sets of 200 permissions would be 250 MB.
    """
    return names


def _read_organization(claim: object, features: list[tuple[str, str]]) -> Entitlements:
    if not isinstance(claim, dict) or (org_id := _read_name(claim.get("id"))) is None:
        return NO_ENTITLEMENTS
    role = _read_name(claim.get("rol"))
    return Entitlements(
        org_id,
        _read_name(claim.get("slg")),
        f"org:{role}" if role else None,
        _shared(_read_permissions(features, _read_list(claim.get("per")), _read_list(claim.get("fpm")))),
    )


def _read_flat_organization(claims: Mapping[str, object]) -> Entitlements:
    if (org_id := _read_name(claims.get("org_id"))) is None:
        return NO_ENTITLEMENTS
    listed = claims.get("org_permissions")
    if not isinstance(listed, list) or len(listed) > MAX_ENTRIES:
        listed = []
    names = map(_read_name, listed)
    return Entitlements(
        org_id,
        _read_name(claims.get("org_slug")),
        _read_name(claims.get("org_role")),
        _shared(frozenset(name for name in names if name is not None)),
    )


def _read_permissions(features: list[tuple[str, str]], names: list[str], masks: list[str]) -> frozenset[str]:
    """Bit i of a feature's mask grants `names[i]` on that feature.

    Clerk's SDKs disagree on which mask is whose: JavaScript counts the organization's features only, the documentation
    and the Python SDK count all of them. Only what both readings grant is granted.
    """
    positions = [place for place, (scope, _) in enumerate(features) if scope in ORGANIZATION_SCOPES]
    if len(masks) not in (len(positions), len(features)):
        return NOTHING
    usable = sum(1 << index for index, name in enumerate(names) if _is_slug(name))
    bits = [int(mask) & usable if len(mask) <= MAX_MASK_DIGITS and mask.isdecimal() else 0 for mask in masks]
    bits += [0] * (len(features) - len(bits))
    granted = [(features[place][1], bits[nth] & bits[place]) for nth, place in enumerate(positions)]
    if sum(both.bit_count() for _, both in granted) > MAX_ENTRIES:
        return NOTHING
    return frozenset(
        f"org:{slug}:{names[index]}" for slug, both in granted if _is_slug(slug) for index in _set_bits(both)
    )


def _set_bits(mask: int) -> list[int]:
    return [index for index, bit in enumerate(f"{mask:b}"[::-1]) if bit == "1"]


def _read_scoped(claim: object) -> list[tuple[str, str]]:
    """Split `u:gold,o:dashboard` into (scope, slug); empty when one has no scope, where Clerk's SDK raises.

    Unknown scopes and unusable slugs keep their places, because the masks are counted by place.
    """
    entries = [entry.partition(":") for entry in _read_list(claim)]
    if any(colon == "" for _, colon, _ in entries):
        return []
    return [(scope, slug) for scope, _, slug in entries]


def _scoped_names(entries: list[tuple[str, str]]) -> frozenset[str]:
    if not entries:
        return NOTHING
    usable = [(scope, slug) for scope, slug in entries if _is_slug(slug)]
    return frozenset(
        [f"o:{slug}" for scope, slug in usable if scope in ORGANIZATION_SCOPES]
        + [f"u:{slug}" for scope, slug in usable if scope in USER_SCOPES]
    )


def _is_slug(text: str) -> bool:
    """A colon inside would make one name out of two different pairs of feature and permission."""
    return 0 < len(text) <= MAX_NAME and ":" not in text and " " not in text


def _read_list(claim: object) -> list[str]:
    """Split at commas. Printable ASCII only: what else counts as a space differs between languages."""
    if not isinstance(claim, str) or not 0 < len(claim) <= MAX_TEXT:
        return []
    if not (claim.isascii() and claim.isprintable()) or claim.count(",") >= MAX_ENTRIES:
        return []
    return [entry.strip() for entry in claim.split(",")]


def _read_name(claim: object) -> str | None:
    """Visible ASCII, as all of Clerk's ids, slugs and roles are; NUL and lone surrogates never reach a log."""
    if not isinstance(claim, str) or not 0 < len(claim) <= MAX_NAME:
        return None
    return claim if claim.isascii() and claim.isprintable() and " " not in claim else None


def _read_ages(claim: object) -> tuple[int, int] | None:
    if not isinstance(claim, list) or len(claim) != 2:  # noqa: PLR2004 - one age a factor
        return None
    first, second = claim
    are_ages = all(type(age) is int and -1 <= age <= MAX_AGE for age in claim)
    return (first, second) if are_ages else None
