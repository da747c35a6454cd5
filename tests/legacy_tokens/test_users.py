"""Tokens of the application as it was before Clerk, over HTTP: whom they speak for."""

from typing import Any

import pytest

from tests.support.attacks import check_refusal
from tests.support.clerk import Instance, event, user_data
from tests.support.database import Sql
from tests.support.fixtures import StartApp
from tests.support.legacy_tokens import LEGACY_SECRET, found, me
from tests.support.legacy_users import ADDRESS, add_user
from tests.support.rows import all_rows, changed_tables
from tests.support.server import Server

CLAIM = "mail"


@pytest.fixture(scope="module")
def plain(start_app: StartApp) -> Server:
    """Legacy tokens by user id."""
    return start_app(LEGACY_JWT_SECRET=LEGACY_SECRET)


@pytest.fixture(scope="module")
def by_address(start_app: StartApp) -> Server:
    return start_app(LEGACY_JWT_SECRET=LEGACY_SECRET, LEGACY_JWT_EMAIL_CLAIM=CLAIM)


class TestUserId:
    @pytest.mark.parametrize("form", [int, str])
    def test_valid(self, plain: Server, sql: Sql, form: type) -> None:
        add_user(sql, "other@example.com")
        user_id = add_user(sql)
        body = me(plain, sub=form(user_id)).json()
        assert body["user"]["user_id"] == user_id
        assert body["session"] == {
            "kind": "legacy",
            "session_id": None,
            "actor": None,
            "organization": None,
            "scopes": None,
        }

    def test_a_linked_user(self, plain: Server, sql: Sql) -> None:
        """The id stays theirs when they come to Clerk."""
        user_id = add_user(sql, clerk_user_id="user_1")
        assert found(plain, sub=user_id) == user_id

    def test_a_user_born_at_clerk(self, plain: Server, by_address: Server, clerk: Instance, sql: Sql) -> None:
        """Never had the old login: whoever can sign such a token was nobody's log-in for them."""
        born = plain.get("/auth/me", clerk.token(sub="user_1")).json()["user"]["user_id"]
        others = [add_user(sql, f"{by}@example.com", provisioned_by=by) for by in ("webhook", "request", "backfill")]
        before = all_rows(sql)
        for user_id in (born, *others):
            for server in (plain, by_address):
                check_refusal(me(server, sub=user_id), "token-invalid-claims")
        for by in ("webhook", "request", "backfill"):
            check_refusal(me(by_address, mail=f"{by}@example.com"), "token-invalid-claims")
        assert all_rows(sql) == before

    def test_a_user_who_was_linked(self, plain: Server, clerk: Instance, sql: Sql) -> None:
        """By Clerk's word, with all that the link changes: the old login was theirs."""
        user_id = add_user(sql)
        plain.get("/auth/me", clerk.token(sub="user_1")).raise_for_status()
        body = event("user.created", user_data("user_1", email=ADDRESS))
        plain.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body)).raise_for_status()
        assert sql.user("user_1")["user_id"] == user_id
        assert found(plain, sub=user_id) == user_id

    def test_nobody(self, plain: Server, sql: Sql) -> None:
        add_user(sql)
        before = all_rows(sql)
        for sub in (4711, "4711", 2**63 - 1, 0, -1, 2**63, "01", "1 ", "1;", "", None, True, 1.0):
            check_refusal(me(plain, sub=sub), "token-invalid-claims")
        assert all_rows(sql) == before

    @pytest.mark.parametrize(
        ("columns", "status", "code"),
        [
            ({"deleted_at": "2026-01-01", "is_active": False}, 401, "user-deleted"),
            ({"banned": True}, 403, "user-banned"),
            ({"is_active": False}, 403, "forbidden"),
        ],
        ids=["deleted", "banned", "off"],
    )
    def test_may_not_come_in(self, plain: Server, sql: Sql, columns: dict[str, Any], status: int, code: str) -> None:
        user_id = add_user(sql, **columns)
        check_refusal(me(plain, sub=user_id), code, status=status)

    def test_the_address_is_not_read(self, plain: Server, sql: Sql) -> None:
        user_id = add_user(sql, "other@example.com")
        add_user(sql)
        assert found(plain, sub=user_id, mail=ADDRESS, email=ADDRESS) == user_id
        check_refusal(me(plain, mail=ADDRESS), "token-invalid-claims")


class TestCompletion:
    """A migrated user gets what is missing at the first request, and it stays as it is then."""

    def test_of_a_migrated_user(self, plain: Server, sql: Sql) -> None:
        user_id = add_user(sql)
        before = all_rows(sql)
        body = me(plain, sub=user_id).json()
        made = all_rows(sql)
        assert changed_tables(before, made) == {"subscriptions", "usage_metrics"}
        assert (body["subscription"]["plan"], body["usage"]["tokens_remaining"]) == ("free", 10_000)
        assert found(plain, sub=user_id) == user_id
        assert all_rows(sql) == made

    def test_of_a_new_month(self, plain: Server, sql: Sql) -> None:
        user_id = add_user(sql)
        sql.rows("INSERT INTO subscriptions (user_id, plan) VALUES (%s, 'pro')", user_id)
        sql.rows(
            "INSERT INTO usage_metrics (user_id, tokens_used, tokens_limit, period_start, period_end) "
            "VALUES (%s, 70, 500000, '2026-01-01Z', '2026-02-01Z')",
            user_id,
        )
        body = me(plain, sub=user_id).json()
        assert (body["subscription"]["plan"], body["usage"]["tokens_used"]) == ("pro", 0)
        assert body["usage"]["tokens_limit"] == 500_000
        assert sql.value("SELECT count(*) FROM usage_metrics") == 2


class TestAddress:
    def test_in_any_letter_case(self, by_address: Server, sql: Sql) -> None:
        add_user(sql, "other@example.com")
        user_id = add_user(sql, "ADA@example.com")
        for address in (ADDRESS, ADDRESS.upper(), "Ada@Example.com"):
            assert found(by_address, mail=address) == user_id

    def test_counts_before_the_id(self, by_address: Server, sql: Sql) -> None:
        """Where addresses are used, `sub` may be anything of the old application's."""
        other, user_id = add_user(sql, "other@example.com"), add_user(sql)
        assert found(by_address, sub=other, mail=ADDRESS) == user_id
        assert found(by_address, sub=other) == other

    def test_nobody(self, by_address: Server, sql: Sql) -> None:
        user_id = add_user(sql)
        before = all_rows(sql)
        for address in (*("nobody@example.com", "", "ada", f"{ADDRESS} ", "a%@example.com", "%"), None, 7, [ADDRESS]):
            check_refusal(me(by_address, mail=address, sub=user_id), "token-invalid-claims")
        assert all_rows(sql) == before

    def test_of_two_rows(self, by_address: Server, sql: Sql) -> None:
        for address in (ADDRESS, ADDRESS.upper()):
            add_user(sql, address, email_verified=False)
        check_refusal(me(by_address, mail=ADDRESS), "token-invalid-claims")

    def test_of_a_row_that_was_linked(self, by_address: Server, sql: Sql) -> None:
        """Clerk may give the address to somebody else; the id still tells who it is."""
        user_id = add_user(sql)
        assert found(by_address, mail=ADDRESS) == user_id
        sql.rows("UPDATE users SET clerk_user_id = 'user_1'")
        check_refusal(me(by_address, mail=ADDRESS), "token-invalid-claims")
        assert found(by_address, sub=user_id) == user_id

    def test_of_a_deleted_row(self, by_address: Server, sql: Sql) -> None:
        add_user(sql, deleted_at="2026-01-01")
        check_refusal(me(by_address, mail=ADDRESS), "token-invalid-claims")

    @pytest.mark.parametrize("verified", [True, False])
    def test_taken_over_by_another_user(self, by_address: Server, sql: Sql, verified: bool) -> None:
        """The newest holder at Clerk is not whom the old token meant."""
        old = add_user(sql, email_verified=False)
        add_user(sql, clerk_user_id="user_new", email_verified=verified, provisioned_by="webhook")
        assert found(by_address, mail=ADDRESS) == old
        sql.rows("DELETE FROM users WHERE user_id = %s", old)
        check_refusal(me(by_address, mail=ADDRESS), "token-invalid-claims")
