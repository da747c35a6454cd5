"""/api/keys: what every operation refuses, listing and revoking."""

from backend.models.roles_plans_scopes import Plan
from backend.resources import row_limits
from tests.support.api_keys import ALL_ROWS, SHOWN, KeyOwner
from tests.support.caller import is_problem
from tests.support.database import Sql


class TestList:
    def test_pages(self, owner: KeyOwner, stranger: KeyOwner) -> None:
        stranger.create()
        made = [owner.create(name=f"key {number}")["key_id"] for number in range(5)]
        assert set(owner.page()) == {"keys", "next_cursor"}
        assert list(owner.listed("keys", "key_id", limit=2)) == [made[:2:-1], made[2:0:-1], made[:1]]
        assert owner.page(limit=5)["next_cursor"] is None, "a page that is just full is the last"

    def test_none(self, owner: KeyOwner) -> None:
        assert owner.call("GET").json() == {"keys": [], "next_cursor": None}

    def test_shows_those_that_ended_and_no_secret(self, owner: KeyOwner, sql: Sql) -> None:
        revoked, expired, usable = owner.create(), owner.create(), owner.create()
        owner.revoke(revoked)
        sql.rows("UPDATE api_keys SET expires_at = now() WHERE key_id = %s", expired["key_id"])
        answer = owner.call("GET")
        expected = [one["key_id"] for one in (usable, expired, revoked)]
        assert [one["key_id"] for one in answer.json()["keys"]] == expected
        for key in answer.json()["keys"]:
            assert set(key) == SHOWN
            assert owner.show(key) == key
        for row in sql.rows("SELECT key_hash FROM api_keys"):
            assert row["key_hash"] not in answer.text

    def test_changes_nothing(self, owner: KeyOwner, sql: Sql) -> None:
        key = owner.create()
        before = sql.row(ALL_ROWS)
        owner.call("GET")
        owner.call("HEAD")
        owner.call("GET", f"/{key['key_id']}")
        assert owner.call("GET", f"/{key['key_id']}/rotate").status_code == 405
        assert sql.row(ALL_ROWS) == before

    def test_wrong_query(self, owner: KeyOwner) -> None:
        for query in (
            *("limit=0", "limit=101", "limit=-1", "limit=x", "limit=1000000000", "sort=name"),
            *("cursor=0", "cursor=-1", "cursor=x", "cursor=", "cursor=1%27", "cursor=%D9%A1", "cursor=1%00"),
            *("cursor=9223372036854775808", "limit=%2B5", "limit=007", "limit=1_0", "limit=5.0"),
            "limit=%205",
            *("limit=1&limit=2", "limit=1&limit=1"),
        ):
            is_problem(owner.call("GET", f"?{query}"), 422, "validation")


def test_revoke(owner: KeyOwner, sql: Sql) -> None:
    key, other = owner.create(), owner.create()
    answer = owner.revoke(key)
    assert (answer.status_code, answer.content) == (204, b"")
    is_problem(owner.use(key), 401, "api-key-revoked")
    assert owner.use(other).status_code == 200
    row = sql.row("SELECT * FROM audit_events WHERE action = 'api_key.revoked'")
    told = {"key_id": key["key_id"], "last_four": key["last_four"], "scopes": ["profile:read"]}
    assert row["details"] == told
    before = sql.row(ALL_ROWS)
    assert owner.revoke(key).status_code == 204
    assert sql.row(ALL_ROWS) == before, "the second time, neither another time nor another audit entry"


def test_of_ended_keys_the_newest_are_kept(sql: Sql, key_owner: KeyOwner) -> None:
    """However often somebody makes a key and revokes it."""
    usable = key_owner.create(expires_at=None)
    user_id = sql.user(key_owner.sub)["user_id"]
    kept = row_limits(Plan.FREE)["ended_api_keys"]
    assert kept is not None
    sql.rows(
        "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, revoked_at) "
        "SELECT %s, n::text, 'sk_app', 'abcd', n::text, '{profile:read}', now() - n * interval '1 s' "
        "FROM generate_series(1, %s) n",
        *(user_id, kept),
    )
    for _ in range(3):
        key_owner.revoke(key_owner.create())
    ended = sql.rows("SELECT name FROM api_keys WHERE revoked_at IS NOT NULL ORDER BY revoked_at")
    assert [row["name"] for row in ended[:2]] == [str(kept - 3), str(kept - 4)]
    assert len(ended) == kept
    assert key_owner.show(usable)["revoked_at"] is None
