"""Idempotency-Key: a request that comes again is answered again, and its work is done once."""

from typing import Any

import pytest
import requests
from sqlalchemy import Connection, create_engine, make_url

from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import Plan
from backend.resources import KEPT_RESPONSES
from backend.services.idempotency import ApiResponse, RequestKey, respond_once
from backend.services.plans.quotas import AT_ONCE
from tests.support.admins import add_user, set_plan
from tests.support.caller import is_problem
from tests.support.clerk import Instance, event
from tests.support.database import Sql
from tests.support.rows import all_rows
from tests.support.sending_again import check_again, check_together
from tests.support.server import Server
from tests.support.specimen.base import migrate
from tests.support.specimen.owner import GOOD, Owner
from tests.support.specimen.service import create_specimen

SPECIMENS = "SELECT count(*) FROM specimens"


@pytest.fixture
def owner(specimen_server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG001 - the tables are to be empty
    return Owner(specimen_server, clerk)


class Sender:
    """One request, as often as wanted."""

    def __init__(self, owner: Owner, operation: str) -> None:
        self._owner, self.made = owner, owner.create() if operation in {"change", "delete"} else ""
        self._call: tuple[str, str, dict[str, Any] | None] = {
            "create": ("POST", "", GOOD),
            "change": ("PATCH", self.made, {"name": "Ammonite"}),
            "delete": ("DELETE", self.made, None),
            "create by the other mount": ("POST", "", GOOD),
        }[operation]
        self._path = "/specimens" if "mount" in operation else owner.path

    def send(self, key: str) -> requests.Response:
        method, path, body = self._call
        owner = Owner(self._owner.server, self._owner.clerk, self._owner.sub, self._path)
        return owner.call(method, path, json=body, headers={"Idempotency-Key": key})


@pytest.mark.parametrize("operation", ["create", "change", "delete", "create by the other mount"])
class TestEach:
    def test_again(self, owner: Owner, sql: Sql, operation: str) -> None:
        sender = Sender(owner, operation)
        check_again(lambda: sender.send("k"), lambda: all_rows(sql)["specimens"])

    def test_together(self, owner: Owner, sql: Sql, operation: str) -> None:
        """The second one waits for the first."""
        owner.page()
        sender = Sender(owner, operation)
        check_together(lambda: sender.send("k"))
        assert [row["version"] for row in all_rows(sql)["specimens"]] == {"change": [2], "delete": []}.get(
            operation, [1]
        )


class TestKey:
    def test_form(self, owner: Owner) -> None:
        for key in ("x", "~" * 255, '"8e03978e-40d5"', "!"):
            made = owner.post(key)
            assert made.status_code == 201
            assert owner.post(key).content == made.content
            owner.delete(f"/{made.json()['specimen_id']}")

    def test_wrong_form(self, owner: Owner, sql: Sql) -> None:
        for key in ("", "x" * 256, "a b", "a\tb", "\u00e4"):
            headers = {"Idempotency-Key": key.encode()}
            answer = owner.call("POST", json=GOOD, headers=headers)
            assert is_problem(answer, 422, "validation")["errors"][0]["path"] == "Idempotency-Key"
        assert sql.value(SPECIMENS) == 0

    def test_other_body(self, owner: Owner, sql: Sql) -> None:
        owner.create("k")
        is_problem(owner.post("k", name="y"), 409, "conflict")
        assert sql.value(SPECIMENS) == 1

    def test_is_one_persons(self, owner: Owner, clerk: Instance) -> None:
        made = owner.post(key="k").json()
        other = Owner(owner.server, clerk, "user_2").post(key="k")
        assert other.status_code == 201
        assert "Idempotent-Replayed" not in other.headers
        assert other.json()["specimen_id"] != made["specimen_id"]

    def test_is_of_one_path(self, owner: Owner) -> None:
        assert owner.post("k").status_code == 201
        body = {"name": "k", "scopes": ["profile:read"]}
        other = Owner(owner.server, owner.clerk, path="/api/keys").call(
            "POST", json=body, headers={"Idempotency-Key": "k"}
        )
        assert (other.status_code, other.headers.get("Idempotent-Replayed")) == (201, None)
        assert owner.post("k").headers["Idempotent-Replayed"] == "true"

    def test_both_mounts_are_one(self, owner: Owner, sql: Sql) -> None:
        made = owner.post(key="k").json()
        other = Owner(owner.server, owner.clerk, owner.sub, "/specimens").post(key="k")
        assert (other.status_code, other.json()) == (201, made)
        assert sql.value(SPECIMENS) == 1

    def test_other_version(self, owner: Owner) -> None:
        """The same change of another version is another request."""
        path = owner.create()
        headers = {"Idempotency-Key": "k", "If-Match": '"1"'}
        assert owner.call("PATCH", path, json={"name": "y"}, headers=headers).status_code == 200
        headers["If-Match"] = '"2"'
        is_problem(owner.call("PATCH", path, json={"name": "y"}, headers=headers), 409, "conflict")

    def test_without(self, owner: Owner, sql: Sql) -> None:
        answers = [owner.post() for _ in range(2)]
        assert len({answer.json()["specimen_id"] for answer in answers}) == 2
        assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
        assert sql.value("SELECT count(*) FROM idempotency_keys") == 0

    def test_credential_is_looked_at_again(self, owner: Owner) -> None:
        key = {"Idempotency-Key": "k"}
        assert owner.post("k").ok
        answer = owner.server.request("POST", owner.path, json=GOOD, headers=key)
        is_problem(answer, 401, "session-token-missing")


class TestRefusals:
    """They are not kept: what was refused may be allowed later."""

    def test_invalid_then_valid(self, owner: Owner) -> None:
        is_problem(owner.post(key="k", name=""), 422, "validation")
        assert owner.post(key="k").status_code == 201

    def test_quota(self, owner: Owner, sql: Sql) -> None:
        made = [owner.create() for _ in range(2)]
        is_problem(owner.post(key="k"), 402, "quota-exceeded")
        owner.delete(made[0])
        answer = owner.post(key="k")
        assert answer.status_code == 201
        assert "Idempotent-Replayed" not in answer.headers
        assert sql.value(SPECIMENS) == 2

    def test_kept_answer_needs_no_room(self, owner: Owner) -> None:
        first = owner.post(key="k")
        owner.create()
        is_problem(owner.post(), 402, "quota-exceeded")
        assert owner.post(key="k").json() == first.json()


class TestExpiry:
    def test_after_a_day(self, owner: Owner, sql: Sql) -> None:
        first = owner.post(key="k").json()
        left = sql.value("SELECT expires_at - now() FROM idempotency_keys WHERE key = 'k'")
        assert 86_390 < left.total_seconds() <= 86_400
        sql.rows("UPDATE idempotency_keys SET expires_at = now()")
        again = owner.post(key="k", name="another body")
        assert again.status_code == 201
        assert again.json()["specimen_id"] != first["specimen_id"]
        assert owner.post(key="k", name="another body").headers["Idempotent-Replayed"] == "true"

    def test_expired_ones_go_in_passing(self, owner: Owner, clerk: Instance, sql: Sql) -> None:
        owner.page()
        fill = f"""
            INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at)
            SELECT 1, 'POST', '/x', n, '', 200, '', now() - interval '1 s' FROM generate_series(1, {AT_ONCE + 2}) n
        """
        sql.rows(fill)
        stranger = Owner(owner.server, clerk, "user_2")
        old = "SELECT count(*) FROM idempotency_keys WHERE path = '/x'"
        stranger.create("a")
        assert sql.value(old) == 2
        stranger.create("b")
        assert sql.value(old) == 0


def test_nothing_stays_of_a_deleted_user(owner: Owner, clerk: Instance, sql: Sql) -> None:
    owner.create("k")
    Owner(owner.server, clerk, "user_2").create("k")
    body = event("user.deleted", {"id": "user_1", "deleted": True, "object": "user"})
    headers = clerk.webhook_headers(body)
    assert owner.server.request("POST", "/api/webhooks", data=body, headers=headers).json() == {"status": "applied"}
    assert sql.value("SELECT user_id FROM idempotency_keys") == sql.user("user_2")["user_id"]


class TestMany:
    """As many are kept as the plan says, the newest."""

    FILL = """
        INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at)
        SELECT user_id, 'POST', '/x', n, '', 200, '', now() + n * interval '1 s' FROM users, generate_series(1, %s) n
    """
    LEFT = """
        SELECT count(*), min(key::int) FILTER (WHERE path = '/x') AS oldest
        FROM idempotency_keys GROUP BY user_id ORDER BY user_id
    """

    def test_oldest_go_first(self, owner: Owner, clerk: Instance, sql: Sql) -> None:
        kept = KEPT_RESPONSES.kept[Plan.FREE]
        owner.page()
        Owner(owner.server, clerk, "user_2").page()
        sql.rows(self.FILL, kept + AT_ONCE + 1)
        assert owner.post(key="new").status_code == 201
        left, others = sql.rows(self.LEFT)
        assert (left["count"], left["oldest"]) == (kept + 2, AT_ONCE + 1)
        assert (others["count"], others["oldest"]) == (kept + AT_ONCE + 1, 1)
        owner.delete(owner.create("newer"))
        assert sql.value("SELECT count(*) FROM idempotency_keys WHERE user_id = 1") == kept
        assert owner.post(key="new").headers["Idempotent-Replayed"] == "true"
        set_plan(sql, "pro")
        assert owner.post(key="newest").status_code == 201
        assert sql.value("SELECT count(*) FROM idempotency_keys WHERE user_id = 1") == kept + 1


class TestWork:
    """The service itself: the work and its answer come and go together."""

    SENT = RequestKey(1, "POST", "/x", "k")

    @pytest.fixture
    def engine(self, database_url: str, sql: Sql) -> Any:
        migrate(database_url)
        add_user(sql, clerk_user_id="user_1")
        engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
        yield engine
        engine.dispose()

    @staticmethod
    def work(connection: Connection) -> ApiResponse:
        made = create_specimen(connection, 1, {"name": "x"})
        return ApiResponse(201, str(made.specimen_id), "/y", '"1"')

    def test_twice(self, engine: Any, sql: Sql) -> None:
        """As in_transaction does after a commit whose confirmation was lost."""
        answers = []
        for _ in range(2):
            with engine.begin() as connection:
                answers.append(respond_once(connection, self.SENT, "hash", self.work, kept=1))
        assert answers == [(ApiResponse(201, "1", "/y", '"1"'), False), (ApiResponse(201, "1", "/y", '"1"'), True)]
        assert sql.value(SPECIMENS) == 1

    @pytest.mark.parametrize("crash", [RuntimeError("x"), AppError(ErrorCode.CONFLICT, "x")], ids=repr)
    def test_crash_leaves_neither(self, engine: Any, sql: Sql, crash: Exception) -> None:
        def fail(connection: Connection) -> ApiResponse:
            self.work(connection)
            raise crash

        with pytest.raises(type(crash)), engine.begin() as connection:
            respond_once(connection, self.SENT, "hash", fail, kept=1)
        assert sql.rows("SELECT key FROM idempotency_keys") == sql.rows("SELECT name FROM specimens") == []
