"""POST /api/keys: making keys, and how many."""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from backend.models.roles_plans_scopes import Plan
from backend.resources import row_limits
from tests.support.api_keys import ALL_ROWS, SHOWN, KeyOwner, at, in_days
from tests.support.caller import is_problem
from tests.support.database import Sql
from tests.support.traffic import in_parallel

MAX_USABLE: int = row_limits(Plan.FREE)["api_keys"] or 0
FILL = """
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, expires_at, revoked_at)
SELECT user_id, 'n' || n, 'sk_app', 'abcd', clerk_user_id || %s || n, '{profile:read}', %s, %s
FROM users, generate_series(1, %s) n WHERE clerk_user_id = 'user_1'
"""


WRONG: dict[str, list[Any]] = {
    "name": [..., "", "   ", "x" * 101, "a\nb", "a\0b", 5, None],
    "scopes": [..., [], None, "profile:read", ["profile:read"] * 2, ["profile:read"] * 1_000],
    "scopes.0": [["admin"], ["Profile:read"], [["profile:read"]]],
    "expires_at": [
        *(in_days(-1), in_days(3_654), "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
        *(in_days(1)[:19], in_days(1)[:10], "tomorrow", 1_900_000_000, 10**400, True),
    ],
}


def fill(sql: Sql, count: int, *, kind: str = "usable", expires_at: Any = None, revoked_at: Any = None) -> None:
    sql.rows(FILL, kind, expires_at, revoked_at, count)


class TestCreate:
    def test_valid(self, owner: KeyOwner, sql: Sql) -> None:
        answer = owner.post(name="  my laptop ", scopes=["tokens:read", "profile:read"], expires_at=in_days(30))
        key = answer.json()
        assert answer.status_code == 201
        assert set(key) == SHOWN | {"key"}
        assert answer.headers["Location"] == f"/api/keys/{key['key_id']}"
        assert answer.headers["Cache-Control"] == "no-store"
        assert key["key"].startswith("sk_app_")
        assert (key["name"], key["scopes"]) == ("my laptop", ["tokens:read", "profile:read"])
        assert (key["prefix"], key["last_four"]) == ("sk_app", key["key"][-4:])
        assert (key["revoked_at"], key["last_used_at"]) == (None, None)
        assert at(key["expires_at"]) - at(key["created_at"]) <= timedelta(days=30)
        assert owner.use(key).json()["session"] == {
            "kind": "api-key",
            "session_id": None,
            "actor": None,
            "organization": None,
            "scopes": ["profile:read", "tokens:read"],
        }
        row = sql.row("SELECT * FROM audit_events")
        assert (row["action"], row["source"]) == ("api_key.created", "api")
        assert row["actor_user_id"] == row["subject_user_id"] == sql.user("user_1")["user_id"]
        assert row["request_id"] == answer.headers["X-Request-ID"]
        assert row["details"] == {
            "key_id": key["key_id"],
            "last_four": key["last_four"],
            "scopes": ["tokens:read", "profile:read"],
        }

    def test_without_expiry_it_never_expires(self, owner: KeyOwner) -> None:
        assert owner.create()["expires_at"] is None
        assert owner.create(expires_at=None)["expires_at"] is None

    def test_wrong_value(self, owner: KeyOwner, sql: Sql) -> None:
        for path, values in WRONG.items():
            for value in values:
                body = is_problem(owner.post(**{path.partition(".")[0]: value}), 422, "validation")
                assert {error["path"] for error in body["errors"]} == {path}, value
        assert sql.value("SELECT count(*) FROM api_keys") == 0

    def test_member_that_is_not_the_clients_to_choose(self, owner: KeyOwner, sql: Sql) -> None:
        owner.call("GET")  # makes the user
        before = sql.row(ALL_ROWS)
        for member in (
            *("user_id", "owner", "role", "plan", "key", "key_id", "key_hash", "prefix", "last_four"),
            *("created_at", "revoked_at", "last_used_at", "__proto__"),
        ):
            body = is_problem(owner.post(**{member: 2}), 422, "validation")
            assert [error["path"] for error in body["errors"]] == [member]
        assert sql.row(ALL_ROWS) == before

    @given(
        body=st.dictionaries(
            st.sampled_from(["name", "scopes", "expires_at", "x"]),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text()
                | st.datetimes().map(str)
                | st.sampled_from(["profile:read", in_days(1)]),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
                max_leaves=4,
            ),
        )
    )
    @examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_nothing_a_client_sends_is_our_fault(self, owner: KeyOwner, body: dict[str, Any]) -> None:
        assert owner.call("POST", json=body).status_code in {201, 402, 422}


class TestQuota:
    def test_more_than_the_limit(self, owner: KeyOwner, sql: Sql) -> None:
        key = owner.create()
        fill(sql, MAX_USABLE - 1)
        body = is_problem(owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (MAX_USABLE, MAX_USABLE)
        owner.revoke(key)
        owner.create()

    def test_keys_that_ended_or_are_of_others_do_not_count(self, owner: KeyOwner, stranger: KeyOwner, sql: Sql) -> None:
        owner.create()
        fill(sql, MAX_USABLE, kind="expired", expires_at="2020-01-01")
        fill(sql, MAX_USABLE, kind="revoked", revoked_at="2020-01-01")
        owner.create()
        fill(sql, MAX_USABLE - 2)
        stranger.create()

    def test_a_leaked_key_can_be_replaced(self, owner: KeyOwner, sql: Sql) -> None:
        """After a change to a smaller plan there are more keys than it allows."""
        key = owner.create()
        fill(sql, MAX_USABLE + 1)
        body = is_problem(owner.rotate(key, overlap_seconds=60), 402, "quota-exceeded")
        assert (body["limit"], body["used"], body["remaining"], body["resets_at"]) == (5, 7, 0, None)
        assert owner.rotate(key, overlap_seconds=0).status_code == 201
        assert owner.use(key).status_code == 401

    def test_rotation_with_overlap_counts_both(self, owner: KeyOwner, sql: Sql) -> None:
        key = owner.create()
        fill(sql, MAX_USABLE - 1)
        is_problem(owner.rotate(key), 402, "quota-exceeded")
        assert owner.show(key)["expires_at"] is None, "the refusal changed nothing"
        assert owner.rotate(key, overlap_seconds=0).status_code == 201

    def test_race(self, owner: KeyOwner, sql: Sql) -> None:
        """50 at once with room for three."""
        owner.create()
        fill(sql, MAX_USABLE - 4)
        statuses = [answer.status_code for answer in in_parallel([owner.post] * 50)]
        assert (statuses.count(201), statuses.count(402)) == (3, 47)
        assert sql.value("SELECT count(*) FROM api_keys") == MAX_USABLE
