"""/campaigns and /api/campaigns: who may, reading, deleting and restoring."""

from typing import Any

import pytest

from tests.support.campaigns import (
    MOUNTS,
    Owner,
    check_counts,
    is_problem,
    is_same_refusal,
)
from tests.support.clerk import Instance, event
from tests.support.database import Sql
from tests.support.rows import all_rows, changed_tables
from tests.support.server import Server


@pytest.fixture(params=MOUNTS)
def owner(request: pytest.FixtureRequest, server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG001
    return Owner(server, clerk, path=request.param)


@pytest.fixture
def stranger(owner: Owner) -> Owner:
    return Owner(owner.server, owner.clerk, "user_2", owner.path)


class TestEveryOperation:
    """What all of them refuse."""

    OPERATIONS = (
        ("POST", ""),
        ("GET", ""),
        ("GET", "/{campaign_id}"),
        ("PATCH", "/{campaign_id}"),
        ("DELETE", "/{campaign_id}"),
        ("POST", "/{campaign_id}/archive"),
        ("POST", "/{campaign_id}/restore"),
    )
    ON_ONE = OPERATIONS[2:]
    BODIES: dict[tuple[str, str], Any] = {  # noqa: RUF012
        ("POST", ""): {"name": "x", "channel": "sms"},
        ("PATCH", "/{campaign_id}"): {"name": "taken over"},
    }

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_anonymous(self, owner: Owner, sql: Sql, method: str, path: str) -> None:
        made = owner.create()
        before = all_rows(sql)
        body = self.BODIES.get((method, path))
        answer = owner.server.request(method, owner.path + path.format_map(made), json=body)
        is_problem(answer, 401, "session-token-missing")
        assert all_rows(sql) == before

    @pytest.mark.parametrize(("method", "path"), ON_ONE)
    @pytest.mark.parametrize("state", ["live", "deleted"])
    def test_wrong_owner(
        self, owner: Owner, stranger: Owner, sql: Sql, method: str, path: str, state: str
    ) -> None:
        """Nobody learns that the id is somebody's. A deleted one exists for the owner's restoring alone."""
        made = owner.create(tags=["x"])
        if state == "deleted":
            owner.delete(made)
        stranger.call("GET")
        before = all_rows(sql)
        body = self.BODIES.get((method, path))
        answers = [
            stranger.call(method, path.format(campaign_id=campaign_id), json=body)
            for campaign_id in (made["campaign_id"], 4_711)
        ]
        for answer in answers:
            is_problem(answer, 404, "not-found")
        assert is_same_refusal(*answers)
        assert changed_tables(before, all_rows(sql)) <= {"usage_metrics"}  # the requests of the month

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_key_without_scope(self, owner: Owner, sql: Sql, method: str, path: str) -> None:
        made = owner.create()
        scope, other = "campaigns:read", "campaigns:write"
        key = owner.make_key(other if method == "GET" else scope, "profile:read", "tokens:spend")
        before = sql.rows("SELECT * FROM campaigns")
        body = self.BODIES.get((method, path))
        answer = owner.call(method, path.format_map(made), json=body, headers=key | {"Authorization": ""})
        is_problem(answer, 403, "insufficient-scope")
        assert sql.rows("SELECT * FROM campaigns") == before

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_key_with_scope(self, owner: Owner, method: str, path: str) -> None:
        made = owner.create()
        owner.archive(made)
        key = owner.make_key("campaigns:read" if method == "GET" else "campaigns:write")
        body = self.BODIES.get((method, path))
        url = owner.path + path.format_map(made)
        assert owner.server.request(method, url, json=body, headers=key).ok

    @pytest.mark.parametrize(
        "campaign_id",
        ["0", "01", "-1", "1.0", "1e3", "%201", "1%00", "%D9%A1", "9223372036854775808", "9" * 30],
    )
    @pytest.mark.parametrize(("method", "path"), ON_ONE)
    def test_odd_id(self, owner: Owner, method: str, path: str, campaign_id: str) -> None:
        owner.create()
        answer = owner.call(method, path.format(campaign_id=campaign_id), json={})
        assert answer.status_code in {404, 405}, answer.text


class TestShow:
    def test_not_modified(self, owner: Owner) -> None:
        made = owner.create()
        path = f"/{made['campaign_id']}"
        for tags in ('"1"', 'W/"1"', "*", '"0", "1"', '"x",W/"1"'):
            answer = owner.call("GET", path, headers={"If-None-Match": tags})
            assert (answer.status_code, answer.content) == (304, b""), tags
            assert answer.headers["ETag"] == '"1"'
        for tags in ('"2"', "1", '"11"', '"1', "", '""'):
            assert owner.call("GET", path, headers={"If-None-Match": tags}).status_code == 200, tags

    def test_head(self, owner: Owner) -> None:
        answer = owner.call("HEAD", f"/{owner.create()['campaign_id']}")
        assert (answer.status_code, answer.headers["ETag"], answer.content) == (200, '"1"', b"")


class TestDelete:
    def test_valid(self, owner: Owner, sql: Sql) -> None:
        made, other = owner.create(tags=["x"], name="gone"), owner.create(tags=["x"])
        answer = owner.delete(made)
        assert (answer.status_code, answer.content) == (204, b"")
        for again in (owner.get(made), owner.delete(made), owner.patch(made, name="x"), owner.archive(made)):
            is_problem(again, 404, "not-found")
            unknown = owner.call(
                again.request.method or "",
                again.request.path_url.replace(f"{owner.path}/{made['campaign_id']}", "/4711"),
                json={"name": "x"} if again.request.method == "PATCH" else None,
            )
            assert is_same_refusal(again, unknown)
        for query in ({}, {"tag": "x"}, {"status": "draft"}, {"sort": "name"}):
            assert owner.names(**query) == [other["name"]]
        assert owner.names(search="gone") == []
        check_counts(sql)

    def test_if_match(self, owner: Owner) -> None:
        made = owner.create()
        path = f"/{made['campaign_id']}"
        is_problem(owner.call("DELETE", path, headers={"If-Match": '"2"'}), 412, "precondition-failed")
        assert owner.call("DELETE", path, headers={"If-Match": '"1"'}).status_code == 204


class TestArchive:
    def test_valid(self, owner: Owner) -> None:
        made = owner.create()
        for _ in range(2):
            answer = owner.archive(made)
            assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
            assert answer.json() | {"updated_at": ""} == made | {
                "status": "archived",
                "version": 2,
                "updated_at": "",
            }

    def test_body(self, owner: Owner) -> None:
        answer = owner.call("POST", f"/{owner.create()['campaign_id']}/archive", json={"x": 1})
        is_problem(answer, 422, "validation")


class TestRestore:
    def test_archived(self, owner: Owner) -> None:
        made = owner.create()
        owner.archive(made)
        answer = owner.restore(made)
        assert (answer.status_code, answer.json()["status"], answer.headers["ETag"]) == (200, "draft", '"3"')

    def test_deleted(self, owner: Owner, sql: Sql) -> None:
        made = owner.create(tags=["x"])
        owner.patch(made, status="active")
        owner.delete(made)
        body = owner.restore(made).json()
        assert body == made | {"status": "active", "version": 4, "updated_at": body["updated_at"]}
        assert owner.names(tag="x") == [made["name"]]
        check_counts(sql)

    def test_deleted_in_the_archive(self, owner: Owner) -> None:
        made = owner.create()
        owner.archive(made)
        owner.delete(made)
        assert owner.restore(made).json()["status"] == "draft"

    @pytest.mark.parametrize("steps", [[], ["archive"], ["delete"], ["archive", "delete"]])
    def test_twice(self, owner: Owner, steps: list[str]) -> None:
        """A double click, or a request that came again, changes nothing more."""
        made = owner.create()
        for step in steps:
            getattr(owner, step)(made)
        first = owner.restore(made)
        again = owner.restore(made)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json() == first.json()
        assert first.json()["version"] == 1 + len(steps) + bool(steps)

    @pytest.mark.parametrize(("age", "status"), [("29 days 23 hours", 200), ("30 days 1 minute", 404)])
    def test_after_a_month(self, owner: Owner, sql: Sql, age: str, status: int) -> None:
        made = owner.create()
        owner.delete(made)
        sql.rows(f"UPDATE campaigns SET deleted_at = now() - interval '{age}'")
        answer = owner.restore(made)
        assert answer.status_code == status
        if status == 404:
            assert is_same_refusal(answer, owner.restore({"campaign_id": 4_711}))


class TestUserDeleted:
    @pytest.mark.parametrize("late", [False, True])
    def test_nothing_stays(
        self, owner: Owner, stranger: Owner, clerk: Instance, sql: Sql, late: bool
    ) -> None:
        """Campaigns, templates and stored answers are personal data."""
        templates = Owner(owner.server, clerk, path="/api/templates")
        templates.create(key="k")
        made = owner.create(tags=["x"], key="k")
        stranger.create(tags=["y"])
        if late:
            owner.delete(made)
        body = event("user.deleted", {"id": "user_1", "deleted": True, "object": "user"})
        headers = clerk.webhook_headers(body)
        assert owner.server.request("POST", "/api/webhooks", data=body, headers=headers).ok
        other = sql.user("user_2")["user_id"]
        for table in ("campaigns", "campaign_tags", "idempotency_keys"):
            assert {row["user_id"] for row in sql.rows(f"SELECT user_id FROM {table}")} == {other}, table
        assert sql.rows("SELECT * FROM campaign_templates") == []
