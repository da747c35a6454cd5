"""What is left of a deleted user: nothing personal, in no table. Which columns are personal the models say."""

import json
from typing import Any

import pytest

from backend.models import Base, User
from backend.resources import OWNED, AtErasure
from backend.services.clerk.payloads import read_user
from tests.conftest import Deliver
from tests.support.billing import alone, listing, payer
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.purging import Purge
from tests.support.server import Server

MARK = "nobody-else-says-this"
USER = "user_1"
PHONE = {"id": "idn_2", "phone_number": MARK, "verification": {"status": "verified"}}
# What of other objects names the user.
NAMED: dict[str, dict[str, Any]] = {
    "organizationMembership": {"public_user_data": {"user_id": USER, "identifier": MARK}},
    "organizationInvitation": {"user_id": USER, "email_address": f"{MARK}@example.com"},
    "subscription": listing(id="csub_1", payer=payer(USER)),
    "subscriptionItem": alone(payer=payer(USER)),
    "waitlistEntry": {"email_address": f"{MARK}@example.com"},
}
# Whose rows go as a whole, or with a row of another table: what is in them needs no look.
GONE = {owned.table for owned in OWNED if owned.at_erasure is AtErasure.DELETE}
PERSONAL = [
    (table.fullname, column.name)
    for table in Base.metadata.sorted_tables
    if not GONE & {table.name, *(key.column.table.name for key in table.foreign_keys)}
    for column in table.columns
    if column.info.get("personal")
]


@pytest.fixture
def marked(server: Server, clerk: Instance, deliver: Deliver) -> None:
    """A user who wrote the mark wherever a user can, and of whom Clerk told it wherever it can."""
    names: dict[str, Any] = dict.fromkeys(("username", "first_name", "last_name", "external_id"), MARK)
    data = user_data(USER, email=f"{MARK}@example.com", image_url=f"https://img.clerk.com/{MARK}", **names)
    data |= {"primary_phone_number_id": "idn_2", "phone_numbers": [PHONE]}
    assert deliver("user.created", data).json() == {"status": "applied"}
    for kind, named in NAMED.items():
        told = {"id": f"{kind}_1", "updated_at": 1, "note": MARK} | named
        assert deliver(f"{kind}.created", told).json() == {"status": "applied"}, kind
    # Signed, of this user, and not applied: it is kept with its payload.
    assert deliver("session.ended", {"user_id": USER, "note": MARK}).json() == {"status": "dead"}

    def send(method: str, path: str, **body: Any) -> None:
        answer = server.request(method, path, clerk.token(sub=USER), json=body, headers={"Idempotency-Key": path})
        assert answer.ok, answer.text

    links = {"github": f"https://github.com/{MARK}"}
    send("PATCH", "/api/me", bio=MARK, website=f"https://example.com/{MARK}", social_links=links)
    send("POST", "/api/keys", name=MARK, scopes=["profile:read"])


def holding(sql: Sql, table: str, column: str) -> int:
    """How many rows hold the mark, or a truth about the user, there."""
    return int(
        sql.value(f"SELECT count(*) FROM {table} WHERE {column}::text LIKE %s OR {column}::text = 'true'", f"%{MARK}%")
    )


@pytest.mark.usefixtures("marked")
def test_nothing_personal_is_left(sql: Sql, deliver: Deliver, purge: Purge) -> None:
    tables = [
        row["name"]
        for row in sql.rows(
            """
            SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
            WHERE table_schema IN ('public', 'clerk')
            """
        )
    ]
    filled = {place for place in PERSONAL if holding(sql, *place)}
    assert filled == set(PERSONAL), "a column is personal that this test does not fill"
    assert deliver("user.deleted", {"id": USER, "object": "user", "deleted": True}).json() == {"status": "applied"}
    assert {place for place in PERSONAL if holding(sql, *place)} == set()
    belongings = {f"public.{owned.table}" for owned in OWNED if owned.is_belonging}
    holders = {
        table for table in tables if sql.value(f"SELECT count(*) FROM {table} r WHERE r::text LIKE %s", f"%{MARK}%")
    }
    assert holders == {"public.api_keys"} <= belongings, "of all else nothing waits"
    sql.rows("UPDATE users SET deleted_at = now() - interval '7 d'")
    purge()
    for table in tables:
        assert sql.value(f"SELECT count(*) FROM {table} AS row WHERE row::text LIKE %s", f"%{MARK}%") == 0, table


def test_what_clerk_owns_is_what_is_read_of_it() -> None:
    owned = {column.name for column in User.__table__.columns if column.info.get("clerk")}
    assert owned == read_user(json.loads(json.dumps(user_data(USER)))).columns.keys() - {"clerk_user_id"}
