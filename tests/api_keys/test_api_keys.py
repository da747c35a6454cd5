"""/api/keys: what every operation refuses, listing and revoking."""

import pytest

from tests.support.api_keys import ALL_ROWS, SHOWN, KeyOwner, is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> KeyOwner:  # noqa: ARG001 - the tables are to be empty
    return KeyOwner(server, clerk)


@pytest.fixture
def stranger(server: Server, clerk: Instance, sql: Sql) -> KeyOwner:  # noqa: ARG001
    return KeyOwner(server, clerk, "user_2")


class TestEveryOperation:
    """What all of them refuse."""

    OPERATIONS = (
        ("POST", ""),
        ("GET", ""),
        ("GET", "/{key_id}"),
        ("POST", "/{key_id}/rotate"),
        ("DELETE", "/{key_id}"),
    )
    ON_ONE_KEY = OPERATIONS[2:]

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_anonymous(self, owner: KeyOwner, sql: Sql, method: str, path: str) -> None:
        path = path.format_map(owner.create())
        before = sql.row(ALL_ROWS)
        is_problem(owner.server.request(method, f"/api/keys{path}"), 401, "session-token-missing")
        assert sql.row(ALL_ROWS) == before

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_api_key(self, owner: KeyOwner, sql: Sql, method: str, path: str) -> None:
        """Keys never manage keys, whatever their scopes."""
        scopes = ["profile:read", "campaigns:read", "campaigns:write", "tokens:spend"]
        key = owner.create(scopes=scopes)
        assert owner.use(key).status_code == 200
        before = sql.row(ALL_ROWS)
        body = {"name": "another", "scopes": scopes} if path == "" else {}
        answer = owner.call(
            method,
            path.format_map(key),
            headers={"X-API-Key": key["key"]},
            json=body if method == "POST" else None,
        )
        is_problem(answer, 403, "forbidden")
        assert sql.row(ALL_ROWS) == before

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_impersonated_session(
        self, owner: KeyOwner, clerk: Instance, sql: Sql, method: str, path: str
    ) -> None:
        key = owner.create()
        token = clerk.token(sub=owner.sub, act={"iss": "https://dashboard.clerk.com", "sub": "user_support"})
        answer = owner.server.request(method, f"/api/keys{path}".format_map(key), token)
        is_problem(answer, 403, "forbidden")
        assert sql.value("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND expires_at IS NULL") == 1

    @pytest.mark.parametrize(("method", "path"), ON_ONE_KEY)
    def test_wrong_owner(self, owner: KeyOwner, stranger: KeyOwner, sql: Sql, method: str, path: str) -> None:
        """Nobody learns that the id is somebody's."""
        key = owner.create()
        stranger.call("GET")
        before = sql.row(ALL_ROWS)
        answers = [
            stranger.call(method, path.format(key_id=key_id), headers={"X-Request-ID": "same"})
            for key_id in (key["key_id"], 4_711)
        ]
        bodies = [is_problem(answer, 404, "not-found") for answer in answers]
        one, other = (
            answer.content.replace(body["request_id"].encode(), b"-")
            for answer, body in zip(answers, bodies, strict=True)
        )
        assert one == other
        assert sql.row(ALL_ROWS) == before
        assert owner.use(key).status_code == 200

    @pytest.mark.parametrize(
        "key_id",
        [
            *(
                "0",
                "01",
                "-1",
                "+1",
                "1.0",
                "1e3",
                "0x1",
                "1_0",
                "%201",
                "1%20",
                "1%0a",
                "1%00",
                "1;x",
                "null",
            ),
            *("%D9%A1", "%EF%BC%91", "9223372036854775807", "9223372036854775808", "99999999999999999999"),
        ],
    )
    @pytest.mark.parametrize(("method", "path"), ON_ONE_KEY)
    def test_odd_id(self, owner: KeyOwner, sql: Sql, method: str, path: str, key_id: str) -> None:
        owner.create()
        before = sql.row(ALL_ROWS)
        path = path.format(key_id=key_id)
        is_problem(owner.call(method, path), 404, "not-found")
        assert sql.row(ALL_ROWS) == before
        anonymous = owner.server.request(method, f"/api/keys{path}")
        is_problem(anonymous, 404, "not-found")  # no route at all: nobody is asked who it is


class TestList:
    def test_pages(self, owner: KeyOwner, stranger: KeyOwner) -> None:
        stranger.create()
        made = [owner.create(name=f"key {number}")["key_id"] for number in range(5)]
        seen: list[int] = []
        cursor, pages = None, 0
        while pages == 0 or cursor:
            page = owner.call("GET", params={"limit": 2, "cursor": cursor}).json()
            assert set(page) == {"keys", "next_cursor"}
            seen += [key["key_id"] for key in page["keys"]]
            cursor, pages = page["next_cursor"], pages + 1
        assert (seen, pages) == (made[::-1], 3)

    def test_page_that_is_just_full_is_the_last(self, owner: KeyOwner) -> None:
        owner.create()
        owner.create()
        assert owner.call("GET", params={"limit": 2}).json()["next_cursor"] is None

    def test_none(self, owner: KeyOwner) -> None:
        assert owner.call("GET").json() == {"keys": [], "next_cursor": None}

    def test_shows_those_that_ended_and_no_secret(self, owner: KeyOwner, sql: Sql) -> None:
        revoked, expired, usable = owner.create(), owner.create(), owner.create()
        owner.revoke(revoked)
        sql.rows("UPDATE api_keys SET expires_at = now() WHERE key_id = %s", expired["key_id"])
        answer = owner.call("GET")
        assert [key["key_id"] for key in answer.json()["keys"]] == [
            key["key_id"] for key in (usable, expired, revoked)
        ]
        for key in answer.json()["keys"]:
            assert set(key) == SHOWN
            assert owner.call("GET", f"/{key['key_id']}").json() == key
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

    @pytest.mark.parametrize(
        "query",
        [
            *("limit=0", "limit=101", "limit=-1", "limit=x", "limit=1000000000", "sort=name"),
            *("cursor=0", "cursor=-1", "cursor=x", "cursor=", "cursor=1%27", "cursor=%D9%A1", "cursor=1%00"),
            "cursor=9223372036854775808",
            *(
                "limit=%2B5",
                "limit=007",
                "limit=1_0",
                "limit=5.0",
                "limit=%205",
                "limit=1&limit=2",
                "limit=1&limit=1",
            ),
        ],
    )
    def test_wrong_query(self, owner: KeyOwner, query: str) -> None:
        is_problem(owner.call("GET", f"?{query}"), 422, "validation")


class TestRevoke:
    def test_valid(self, owner: KeyOwner, sql: Sql) -> None:
        key, other = owner.create(), owner.create()
        answer = owner.revoke(key)
        assert (answer.status_code, answer.content) == (204, b"")
        is_problem(owner.use(key), 401, "api-key-revoked")
        assert owner.use(other).status_code == 200
        row = sql.row("SELECT * FROM audit_events WHERE action = 'api_key.revoked'")
        assert row["details"] == {
            "key_id": key["key_id"],
            "last_four": key["last_four"],
            "scopes": ["profile:read"],
        }

    def test_again(self, owner: KeyOwner, sql: Sql) -> None:
        key = owner.create()
        owner.revoke(key)
        before = sql.row(ALL_ROWS)
        assert owner.revoke(key).status_code == 204
        assert sql.row(ALL_ROWS) == before, "neither another time nor another audit entry"
