"""Which row the first profile of a Clerk user gets: the whole table, over signed webhooks."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest

from backend.models.base import read_id
from backend.services.clerk.linking import Link, LinkRules, LockedUser, Reason, Refusal, decide
from backend.services.clerk.payloads import ClerkUser
from tests.support.clerk import Instance, event, user_data
from tests.support.database import Sql
from tests.support.fixtures import StartApp
from tests.support.legacy_users import ADDRESS, add_user, refusals, trail, unverified
from tests.support.server import Server


def legacy(email: str | None = ADDRESS, **columns: Any) -> dict[str, Any]:
    return {"email": email, **columns}


def linked(email: str | None = ADDRESS, **columns: Any) -> dict[str, Any]:
    """The row of some other Clerk user."""
    return {"email": email, "clerk_user_id": "user_0", "clerk_updated_at": "2020-01-01Z", **columns}


def erased(**columns: Any) -> dict[str, Any]:
    return {"email": None, "deleted_at": "2020-01-01Z", "is_active": False, **columns}


class Case(NamedTuple):
    """`rows` get the user_ids 1, 2, … `gets`: which of them the user gets, None for a row of its own. `by_email`,
    `by_external_id`: the settings; None leaves the default.
    """

    name: str
    rows: list[dict[str, Any]]
    gets: int | None
    refused: str | None = None
    by_email: str | None = None
    by_external_id: str | None = None
    email: str | None = ADDRESS
    is_verified: bool = True
    external_id: str | None = None


# Case P-05.
FLAG = [
    Case("on, one match", [legacy()], 1),
    Case("off, one match", [legacy()], None, "email turned-off [1]", by_email="false"),
    Case("on, two matches", [legacy(), legacy(email_verified=False)], None, "email ambiguous [1, 2]"),
    Case("on, unverified here", [legacy(email_verified=False)], None, "email unverified-here [1]"),
    Case("on, unverified at Clerk", [legacy()], None, "email unverified-at-clerk [1]", is_verified=False),
    Case("on, other letter case", [legacy("ADA@Example.com")], 1),
]

# What supabase/auth decides of an identity and the accounts that are there. Its SSO domains have no counterpart: an
# instance of Clerk is one domain.
SUPABASE = [
    Case("no account", [], None),
    Case("no account with the address", [legacy("bob@example.com")], None),
    Case("no address", [legacy()], None, email=None),
    Case("account without an address", [legacy(None)], None, email=None),
    Case("unverified address, nobody has it", [legacy("bob@example.com")], None, is_verified=False),
    Case("address taken by another identity", [linked()], None),
    Case("unverified address, taken by another identity", [linked()], None, is_verified=False),
    Case("two accounts, one linked", [linked(), legacy(email_verified=False)], None, "email ambiguous [2]"),
    Case("two accounts, identity unverified", [linked(email_verified=False), legacy()], 2),
    Case("three accounts", [legacy(), *[legacy(email_verified=False)] * 2], None, "email ambiguous [1, 2, 3]"),
    Case("deleted account had the address", [erased()], None),
    Case("deleted account of another identity beside the one", [erased(clerk_user_id="user_0"), legacy()], 2),
    Case("subject before address", [legacy("old@example.com"), legacy()], 1, external_id="1", by_external_id="true"),
    Case("subject before address, two accounts", [legacy(None), legacy()], 1, external_id="1", by_external_id="true"),
]

LINKED, DELETED = "external_id already-linked [1]", "external_id deleted [1]"
AMBIGUOUS = "email ambiguous [2, 3]"
EXTERNAL_ID = [
    Case("by address off", [legacy("old@example.com")], 1, external_id="1", by_email="false"),
    Case("no address at all", [legacy(None)], 1, external_id="1", email=None, by_email="false"),
    Case("unverified here", [legacy(email_verified=False)], 1, external_id="1"),
    Case("unverified at Clerk", [legacy()], 1, external_id="1", is_verified=False),
    Case("the second of two", [legacy(), legacy(email_verified=False)], 2, external_id="2"),
    Case("linked", [linked()], None, LINKED, external_id="1"),
    # Of two rows that could be meant, none is guessed.
    Case("linked, address of another", [linked(None), legacy()], None, LINKED, external_id="1"),
    Case("deleted", [erased()], None, DELETED, external_id="1"),
    Case("deleted after a link", [erased(clerk_user_id="user_0")], None, DELETED, external_id="1"),
    Case("nobody", [legacy("old@example.com")], None, external_id="2"),
    Case("nobody, address of one", [legacy()], 1, external_id="2"),
    Case("of another system, address of one", [legacy()], 1, external_id="cus_1"),
]
EXTERNAL_ID = [case._replace(by_external_id="true") for case in EXTERNAL_ID]

# Without the setting an external_id is a number of somebody's.
OFF = "external_id turned-off [1]"
EXTERNAL_ID_OFF = [
    Case("one match", [legacy("old@example.com", role="admin")], None, OFF, external_id="1"),
    Case("said so", [legacy("old@example.com")], None, OFF, external_id="1", by_external_id="off"),
    Case("address of one", [legacy("old@example.com"), legacy()], 2, external_id="1"),
    Case("address of several", [legacy(None), *[legacy(email_verified=False)] * 2], None, AMBIGUOUS, external_id="1"),
    Case("linked", [linked(None)], None, external_id="1"),
    Case("deleted", [erased()], None, external_id="1"),
]
EXTERNAL_ID_PREFIX = [
    Case("one match", [legacy(None)], 1, external_id="legacy:1"),
    Case("bare number", [legacy(None)], None, external_id="1"),
    Case("bare number, address of another", [legacy(None), legacy()], 2, external_id="1"),
    Case("other prefix", [legacy(None)], None, external_id="Legacy:1"),
    Case("twice", [legacy(None)], None, external_id="legacy:legacy:1"),
    Case("alone", [legacy(None)], None, external_id="legacy:"),
    Case("other spelling", [legacy(None)], None, external_id="legacy:01"),
    Case("linked", [linked(None)], None, LINKED, external_id="legacy:1"),
]
EXTERNAL_ID_PREFIX = [case._replace(by_external_id="legacy:") for case in EXTERNAL_ID_PREFIX]


TABLES = {
    "flag": FLAG,
    "supabase": SUPABASE,
    "external id": EXTERNAL_ID,
    "external id off": EXTERNAL_ID_OFF,
    "external id with a prefix": EXTERNAL_ID_PREFIX,
}
Asked = Callable[[str | None, str | None], Server]


@pytest.fixture(scope="module")
def asked(start_app: StartApp) -> Asked:
    """An application with these two settings."""

    @cache
    def start(by_email: str | None, by_external_id: str | None) -> Server:
        return start_app(LEGACY_LINK_BY_EMAIL=by_email or "", LEGACY_LINK_BY_EXTERNAL_ID=by_external_id or "")

    return start


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{table}: {case.name}") for table, cases in TABLES.items() for case in cases]
)
def test_first_profile(asked: Asked, clerk: Instance, sql: Sql, case: Case) -> None:
    """Which row it gets and what the trail says. Of another's row, a verified profile changes at most who holds the
    address as a verified one.
    """
    ids = [add_user(sql, **row) for row in case.rows]
    columns = "user_id, clerk_user_id, email, role, is_active, clerk_updated_at, deleted_at"
    columns += "" if case.is_verified else ", email_verified"
    others = f"SELECT {columns} FROM users WHERE user_id <= %s AND clerk_user_id IS DISTINCT FROM 'user_1' ORDER BY 1"
    before = sql.rows(others, len(ids))
    data = user_data("user_1", email=case.email, external_id=case.external_id, first_name="Ada")
    body = event("user.created", data if case.is_verified else unverified(data))
    application = asked(case.by_email, case.by_external_id)
    answer = application.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
    assert answer.json() == {"status": "applied"}
    row = sql.user("user_1")
    assert (row["first_name"], row["email"]) == ("Ada", case.email)
    assert row["email_verified"] == (case.is_verified and case.email is not None)
    assert sql.value("SELECT count(*) FROM users") == len(ids) + (case.gets is None)
    assert sql.value("SELECT count(*) FROM subscriptions WHERE user_id = %s", row["user_id"]) == 1
    assert refusals(sql) == ([case.refused] if case.refused else [])
    assert sql.rows(others, len(ids)) == [other for other in before if other["user_id"] != case.gets]
    if case.gets is None:
        assert row["user_id"] not in ids
        assert row["provisioned_by"] == "webhook"
        assert all(subject == row["user_id"] for _, subject, _ in trail(sql))
    else:
        is_named = case.external_id == f"{(case.by_external_id or 'off').removeprefix('true')}{case.gets}"
        by = "external_id" if is_named else "email"
        details = {"by": by, "clerk_user_id": "user_1", "replaced_user_id": None}
        assert trail(sql) == [("user.linked", case.gets, details)]
        assert (row["user_id"], row["provisioned_by"]) == (case.gets, "legacy")


def user_with(email: str) -> ClerkUser:
    return ClerkUser.model_validate(user_data("user_1", email=email))


BY_EMAIL = LinkRules(by_email=True, external_id_prefix=None)
HELD = LockedUser(
    user_id=1,
    clerk_user_id=None,
    email="mike@example.com",
    email_verified=True,
    clerk_updated_at=None,
    deleted_at=None,
    has_address=True,
)


class TestDatabaseThatFoldsMore:
    """lower() of PostgreSQL depends on the locale: in some, a Kelvin sign becomes a k and a dotted capital I an i."""

    @pytest.mark.parametrize("email", ["mi\u212ae@example.com", "m\u0130ke@example.com", "M\u0130KE@example.com"])
    def test_lookalike(self, email: str) -> None:
        refused = Refusal("email", (1,), Reason.LOOKALIKE)
        assert decide(user_with(email), [HELD], BY_EMAIL) == refused

    def test_other_letter_case(self) -> None:
        assert decide(user_with("MIKE@Example.com"), [HELD], BY_EMAIL) == Link("email", 1)

    def test_row_that_is_here_for_another_reason(self) -> None:
        assert decide(user_with("mike@example.com"), [HELD._replace(has_address=False)], BY_EMAIL) is None


def test_read_user_id() -> None:
    for number in (1, 10, 2**31, 2**63 - 1):
        assert read_id(str(number)) == number
    for number in (0, 2**63, 9_999_999_999_999_999_999):
        assert read_id(str(number)) is None, "beyond the column"
