"""Users by the hundred thousand, to see how an application copes with a large instance.

All follows from the number of the seed and the place in its row, ids and times included: two instances can have the
same users, and what is there already is left alone.
"""

import random
from collections.abc import Callable
from typing import Any

from clerk_emulator import documents, memberships, organizations, roles, store, users, verifications
from clerk_emulator.context import Change, Emulator
from clerk_emulator.events import emit_user_event
from clerk_emulator.ids import ksuid

_BATCH = 1000  # in one transaction, for which everybody else waits a third of a second
_DAY = 24 * 60 * 60 * 1000
_FIRST_DAY = 1_672_531_200_000  # 2023-01-01; made in the two years after that, changed in the year after
_FIRST_NAMES = ("Ada", "Alan", "Björk", "Chidi", "Dolores", "Émilie", "Grace", "Jürgen", "Katherine", "Noor", "明")
_LAST_NAMES = ("Byron", "Curie", "García", "Hopper", "Johnson", "Lovelace", "Nguyễn", "O'Brien", "Turing", "Şahin")


def plant(emulator: Emulator, number: int, counts: dict[str, int], *, tell: bool) -> dict[str, int]:
    """Bring the instance to these counts of the users, organizations and memberships of seed `number`; return how many
    of each are new. A membership is one of those users in one of those organizations. With `tell`, webhooks are sent.
    """

    def plant_membership(change: Change, place: int) -> bool:
        lap, user = divmod(place, counts["users"])
        return _plant_membership(change, number, user, (user + lap) % counts["organizations"], tell=tell)

    kinds: dict[str, Callable[[Change, int], bool]] = {
        "users": lambda change, place: _plant_user(change, number, place, tell=tell),
        "organizations": lambda change, place: _plant_organization(change, number, place, tell=tell),
        "memberships": plant_membership,
    }
    planted = dict.fromkeys(kinds, 0)
    for kind, plant_one in kinds.items():
        for first in range(0, counts[kind], _BATCH):
            with emulator.store.transaction() as db:
                change = Change(db, emulator, client_ip="127.0.0.1", user_agent="clerk_emulator", origin=None)
                for place in range(first, min(first + _BATCH, counts[kind])):
                    planted[kind] += plant_one(change, place)
    return planted


def _plant_user(change: Change, number: int, place: int, *, tell: bool) -> bool:
    chance, user_id, times = _begin("user", number, place)
    if change.db.execute("SELECT 1 FROM users WHERE id = ?", (user_id,)).fetchone():
        return False
    email_address_id, phone_number_id = _id("idn", chance, times["created_at"]), _id("idn", chance, times["created_at"])
    has_phone = _one_in(chance, 3)
    row: dict[str, Any] = {
        "id": user_id,
        "external_id": f"seed{number}-{place}" if _one_in(chance, 2) else None,
        "username": f"user_{number}_{place}" if _one_in(chance, 2) else None,
        "first_name": None if _one_in(chance, 10) else chance.choice(_FIRST_NAMES),
        "last_name": None if _one_in(chance, 10) else chance.choice(_LAST_NAMES),
        "primary_email_address_id": email_address_id,
        "primary_phone_number_id": phone_number_id if has_phone else None,
        "public_metadata": {"theme": chance.choice(("dark", "light"))} if _one_in(chance, 3) else {},
        "private_metadata": {"crm": {"account": chance.randrange(100_000)}} if _one_in(chance, 4) else {},
        "banned": _one_in(chance, 200),
        "last_sign_in_at": times["updated_at"],
        "last_active_at": times["updated_at"] - times["updated_at"] % _DAY,
    }
    store.insert(change.db, "users", store.with_text_metadata(row) | times)
    owned = {"user_id": user_id} | times
    email_address = f"user.{place}@seed{number}.example"
    store.insert(change.db, "email_addresses", {"id": email_address_id, "email_address": email_address} | owned)
    verifications.confirm(change.db, email_address_id, "email_code")
    if has_phone:
        phone_number = f"+1{number:03}{place:07}"
        store.insert(change.db, "phone_numbers", {"id": phone_number_id, "phone_number": phone_number} | owned)
        verifications.confirm(change.db, phone_number_id, "phone_code")
    user = users.find(change.db, user_id)
    documents.of_user(change.db, user, change.emulator.url)
    if tell:
        emit_user_event(change, "user.created", user)
    return True


def _plant_organization(change: Change, number: int, place: int, *, tell: bool) -> bool:
    _, organization_id, times = _begin("org", number, place)
    if change.db.execute("SELECT 1 FROM organizations WHERE id = ?", (organization_id,)).fetchone():
        return False
    name = f"Organization {place} of seed {number}"
    slug = f"seed{number}-{place}"
    row = {"id": organization_id, "name": name, "slug": slug, "max_allowed_memberships": 0}
    store.insert(change.db, "organizations", row | times)
    if tell:
        organizations.emit(change, "organization.created", organizations.find(change.db, organization_id))
    return True


def _plant_membership(change: Change, number: int, user: int, organization: int, *, tell: bool) -> bool:
    _, user_id, _ = _begin("user", number, user)
    _, organization_id, _ = _begin("org", number, organization)
    if memberships.exists(change.db, organization_id, user_id):
        return False
    _, membership_id, times = _begin("orgmem", number, f"{user}-{organization}")
    row = {"id": membership_id, "organization_id": organization_id, "user_id": user_id, "role": roles.MEMBER}
    store.insert(change.db, "organization_memberships", row | times)
    if tell:
        membership = memberships.find(change.db, organization_id, user_id)
        memberships.emit(change, "organizationMembership.created", membership)
    return True


def _begin(prefix: str, number: int, place: int | str) -> tuple[random.Random, str, dict[str, int]]:
    """Give what decides about one object, its id and its times."""
    chance = random.Random(f"{prefix}-{number}-{place}")  # noqa: S311 - the same each time is the point
    created_at = _FIRST_DAY + chance.randrange(2 * 365 * _DAY)
    times = {"created_at": created_at, "updated_at": created_at + chance.randrange(365 * _DAY)}
    return chance, _id(prefix, chance, created_at), times


def _id(prefix: str, chance: random.Random, created_at: int) -> str:
    return ksuid(prefix, created_at // 1000, chance.randbytes(16))


def _one_in(chance: random.Random, count: int) -> bool:
    return chance.randrange(count) == 0
