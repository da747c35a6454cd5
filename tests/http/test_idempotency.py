"""Idempotency-Key: a request that comes again is answered again, and its work is done once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url

from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import Plan
from backend.resources import KEPT_RESPONSES
from backend.services.campaigns.campaigns import create_campaign
from backend.services.idempotency import SWEPT, ApiResponse, RequestKey, respond_once
from tests.support.caller import is_problem
from tests.support.campaigns import Owner, check_counts, set_plan
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

OPERATIONS = ("campaign", "template", "archive", "restore")


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG001 - the tables are to be empty
    return Owner(server, clerk)


class Sender:
    """One POST, as often as wanted."""

    def __init__(self, owner: Owner, operation: str) -> None:
        self._owner = owner
        self.body: dict[str, Any] = {}
        self.path = "/api/templates" if operation == "template" else "/api/campaigns"
        if operation in {"campaign", "template"}:
            self.body = {"name": "x", "channel": "sms"}
        else:
            made = owner.create()
            if operation == "restore":
                owner.delete(made)
            self.path += f"/{made['campaign_id']}/{operation}"

    def send(self, key: str | None, **changes: Any) -> Any:
        owner = Owner(self._owner.server, self._owner.clerk, self._owner.sub, self.path)
        headers = {} if key is None else {"Idempotency-Key": key}
        return owner.call("POST", json=self.body | changes, headers=headers)


def counts(sql: Sql) -> list[Any]:
    tables = ("campaigns", "campaign_templates", "campaign_tags")
    return [sql.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


@pytest.mark.parametrize("operation", OPERATIONS)
class TestEveryPost:
    def test_again(self, owner: Owner, sql: Sql, operation: str) -> None:
        sender = Sender(owner, operation)
        first = sender.send("k")
        assert first.ok
        assert "Idempotent-Replayed" not in first.headers
        before = counts(sql)
        for _ in range(2):
            again = sender.send("k")
            assert (again.status_code, again.content) == (first.status_code, first.content)
            assert again.headers["Idempotent-Replayed"] == "true"
            for name in ("Location", "ETag", "Content-Type"):
                assert again.headers.get(name) == first.headers.get(name)
        assert counts(sql) == before
        check_counts(sql)

    def test_together(self, owner: Owner, sql: Sql, operation: str) -> None:
        """The second one waits for the first."""
        owner.page()
        sender = Sender(owner, operation)
        made = sql.value("SELECT count(*) FROM campaigns")
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: sender.send("k"), range(10)))
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1
        assert answers[0].ok
        assert Counter("Idempotent-Replayed" in answer.headers for answer in answers) == {True: 9, False: 1}
        assert sql.value("SELECT count(*) FROM campaigns") == made + (operation == "campaign")
        assert sql.value("SELECT count(*) FROM campaign_templates") == (operation == "template")
        check_counts(sql)


class TestKey:
    def test_form(self, owner: Owner) -> None:
        sender = Sender(owner, "template")
        for key in ("x", "~" * 255, '"8e03978e-40d5"', "!"):
            assert sender.send(key).content == sender.send(key).content

    def test_wrong_form(self, owner: Owner, sql: Sql) -> None:
        for key in ("", "x" * 256, "a b", "a\tb", "\u00e4"):
            headers = {"Idempotency-Key": key.encode()}
            answer = owner.call("POST", json={"name": "x", "channel": "sms"}, headers=headers)
            assert is_problem(answer, 422, "validation")["errors"][0]["path"] == "Idempotency-Key"
        assert sql.value("SELECT count(*) FROM campaigns") == 0

    def test_other_body(self, owner: Owner, sql: Sql) -> None:
        sender = Sender(owner, "campaign")
        sender.send("k")
        is_problem(sender.send("k", name="y"), 409, "conflict")
        assert sql.value("SELECT count(*) FROM campaigns") == 1

    def test_is_one_persons(self, owner: Owner, clerk: Instance) -> None:
        made = owner.post(key="k").json()
        other = Owner(owner.server, clerk, "user_2").post(key="k")
        assert other.status_code == 201
        assert "Idempotent-Replayed" not in other.headers
        assert other.json()["campaign_id"] != made["campaign_id"]

    def test_is_of_one_path(self, owner: Owner) -> None:
        assert owner.post(key="k").status_code == 201
        assert Sender(owner, "template").send("k").status_code == 201
        assert owner.post(key="k").headers["Idempotent-Replayed"] == "true"

    def test_both_mounts_are_one(self, owner: Owner, sql: Sql) -> None:
        made = owner.post(key="k").json()
        other = Owner(owner.server, owner.clerk, owner.sub, "/campaigns").post(key="k")
        assert (other.status_code, other.json()) == (201, made)
        assert sql.value("SELECT count(*) FROM campaigns") == 1

    def test_other_version(self, owner: Owner) -> None:
        """The same change of another version is another request."""
        path = f"/{owner.create()['campaign_id']}"
        headers = {"Idempotency-Key": "k", "If-Match": '"1"'}
        assert owner.call("PATCH", path, json={"name": "y"}, headers=headers).status_code == 200
        headers["If-Match"] = '"2"'
        is_problem(owner.call("PATCH", path, json={"name": "y"}, headers=headers), 409, "conflict")

    def test_without(self, owner: Owner, sql: Sql) -> None:
        sender = Sender(owner, "campaign")
        answers = [sender.send(None) for _ in range(3)]
        assert len({answer.json()["campaign_id"] for answer in answers}) == 3
        assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
        assert sql.value("SELECT count(*) FROM idempotency_keys") == 0

    def test_credential_is_looked_at_again(self, owner: Owner) -> None:
        key = {"Idempotency-Key": "k"}
        body = {"name": "x", "channel": "sms"}
        assert owner.call("POST", json=body, headers=key).ok
        answer = owner.server.request("POST", owner.path, json=body, headers=key)
        is_problem(answer, 401, "session-token-missing")


class TestRefusals:
    """They are not kept: what was refused may be allowed later."""

    def test_invalid_then_valid(self, owner: Owner) -> None:
        is_problem(owner.post(key="k", name=""), 422, "validation")
        assert owner.post(key="k").status_code == 201

    def test_quota(self, owner: Owner, sql: Sql) -> None:
        made = [owner.create() for _ in range(3)]
        is_problem(owner.post(key="k"), 402, "quota-exceeded")
        owner.delete(made[0])
        answer = owner.post(key="k")
        assert answer.status_code == 201
        assert "Idempotent-Replayed" not in answer.headers
        check_counts(sql)

    def test_kept_answer_needs_no_room(self, owner: Owner) -> None:
        first = owner.post(key="k")
        owner.create()
        owner.create()
        assert owner.post(key="k").json() == first.json()


class TestExpiry:
    def test_after_a_day(self, owner: Owner, sql: Sql) -> None:
        first = owner.post(key="k").json()
        left = sql.value("SELECT expires_at - now() FROM idempotency_keys WHERE key = 'k'")
        assert 86_390 < left.total_seconds() <= 86_400
        sql.rows("UPDATE idempotency_keys SET expires_at = now()")
        again = owner.post(key="k", name="another body")
        assert again.status_code == 201
        assert again.json()["campaign_id"] != first["campaign_id"]
        assert owner.post(key="k", name="another body").headers["Idempotent-Replayed"] == "true"

    def test_expired_ones_go_in_passing(self, owner: Owner, clerk: Instance, sql: Sql) -> None:
        owner.page()
        fill = f"""
            INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at)
            SELECT 1, 'POST', '/x', n, '', 200, '', now() - interval '1 s' FROM generate_series(1, {SWEPT + 2}) n
        """
        sql.rows(fill)
        stranger = Owner(owner.server, clerk, "user_2")
        old = "SELECT count(*) FROM idempotency_keys WHERE path = '/x'"
        stranger.create(key="a")
        assert sql.value(old) == 2
        stranger.create(key="b")
        assert sql.value(old) == 0


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
        sql.rows(self.FILL, kept + SWEPT + 1)
        assert owner.post(key="new").status_code == 201
        left, others = sql.rows(self.LEFT)
        assert (left["count"], left["oldest"]) == (kept + 2, SWEPT + 1)
        assert (others["count"], others["oldest"]) == (kept + SWEPT + 1, 1)
        owner.delete(owner.post(key="newer").json())
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
        sql.rows("INSERT INTO users (clerk_user_id) VALUES ('user_1')")
        engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
        yield engine
        engine.dispose()

    @staticmethod
    def work(connection: Connection) -> ApiResponse:
        made = create_campaign(connection, 1, {"name": "x", "channel": "sms"})
        return ApiResponse(201, str(made.campaign_id), "/y", '"1"')

    def test_twice(self, engine: Any, sql: Sql) -> None:
        """As in_transaction does after a commit whose confirmation was lost."""
        answers = []
        for _ in range(2):
            with engine.begin() as connection:
                answers.append(respond_once(connection, self.SENT, "hash", self.work, kept=1))
        assert answers == [(ApiResponse(201, "1", "/y", '"1"'), False), (ApiResponse(201, "1", "/y", '"1"'), True)]
        check_counts(sql)

    @pytest.mark.parametrize("crash", [RuntimeError("x"), AppError(ErrorCode.CONFLICT, "x")], ids=repr)
    def test_crash_leaves_neither(self, engine: Any, sql: Sql, crash: Exception) -> None:
        def fail(connection: Connection) -> ApiResponse:
            self.work(connection)
            raise crash

        with pytest.raises(type(crash)), engine.begin() as connection:
            respond_once(connection, self.SENT, "hash", fail, kept=1)
        assert sql.rows("SELECT key FROM idempotency_keys") == sql.rows("SELECT name FROM campaigns") == []
