"""/campaigns and /api/campaigns: who may, reading, deleting and restoring."""

from typing import Any

import pytest

from tests.support.caller import is_problem, is_same_refusal
from tests.support.campaigns import MOUNTS, Owner, check_counts
from tests.support.clerk import Instance, event
from tests.support.database import Sql
from tests.support.rows import all_rows, changed_tables
from tests.support.server import Server

OPERATIONS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "", {"name": "x", "channel": "sms"}),
    ("GET", "", None),
    ("GET", "/{campaign_id}", None),
    ("PATCH", "/{campaign_id}", {"name": "taken over"}),
    ("POST", "/{campaign_id}/archive", None),
    ("POST", "/{campaign_id}/restore", None),
    ("DELETE", "/{campaign_id}", None),
)
ON_ONE = OPERATIONS[2:]


class TestEveryOperation:
    """What all of them refuse, under both paths."""

    @pytest.fixture(params=MOUNTS)
    def owner(self, request: pytest.FixtureRequest, server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG002
        return Owner(server, clerk, path=request.param)

    @pytest.mark.parametrize("state", ["live", "deleted"])
    def test_wrong_owner(self, owner: Owner, stranger: Owner, sql: Sql, state: str) -> None:
        """Nobody learns that the id is somebody's. A deleted one exists for the owner's restoring alone."""
        made = owner.create(tags=["x"])
        if state == "deleted":
            owner.delete(made)
        stranger.call("GET")
        before = all_rows(sql)
        for method, path, body in ON_ONE:
            answers = [
                stranger.call(method, path.format(campaign_id=campaign_id), json=body)
                for campaign_id in (made["campaign_id"], 4_711)
            ]
            for answer in answers:
                is_problem(answer, 404, "not-found")
            assert is_same_refusal(*answers)
            assert changed_tables(before, all_rows(sql)) <= {"usage_metrics"}, (
                path
            )  # the requests of the month

    def test_odd_id(self, owner: Owner) -> None:
        owner.create()
        for odd in ("0", "01", "-1", "1.0", "1e3", "%201", "1%00", "%D9%A1", "9223372036854775808", "9" * 30):
            for method, path, _ in ON_ONE:
                answer = owner.call(method, path.format(campaign_id=odd), json={})
                assert answer.status_code in {404, 405}, answer.text


class TestShow:
    def test_not_modified(self, owner: Owner) -> None:
        path = f"/{owner.create()['campaign_id']}"
        for tags in ('"1"', 'W/"1"', "*", '"0", "1"', '"x",W/"1"'):
            answer = owner.call("GET", path, headers={"If-None-Match": tags})
            assert (answer.status_code, answer.content) == (304, b""), tags
            assert answer.headers["ETag"] == '"1"'
        for tags in ('"2"', "1", '"11"', '"1', "", '""'):
            assert owner.call("GET", path, headers={"If-None-Match": tags}).status_code == 200, tags
        answer = owner.call("HEAD", path)
        assert (answer.status_code, answer.headers["ETag"], answer.content) == (200, '"1"', b"")


class TestDelete:
    def test_valid(self, owner: Owner, sql: Sql) -> None:
        made, other = owner.create(tags=["x"], name="gone"), owner.create(tags=["x"])
        is_problem(owner.delete(made, '"2"'), 412, "precondition-failed")
        answer = owner.delete(made, '"1"')
        assert (answer.status_code, answer.content) == (204, b"")
        for again in (owner.get, owner.delete, lambda one: owner.patch(one, name="x"), owner.archive):
            refused = again(made)
            is_problem(refused, 404, "not-found")
            assert is_same_refusal(refused, again({"campaign_id": 4_711}))
        for query in ({}, {"tag": "x"}, {"status": "draft"}, {"sort": "name"}):
            assert owner.names(**query) == [other["name"]]
        assert owner.names(search="gone") == []
        check_counts(sql)


class TestArchive:
    def test_and_back(self, owner: Owner) -> None:
        """Each of them once, however often it is asked; and of the version that was read."""
        made = owner.create()
        is_problem(owner.call("POST", f"/{made['campaign_id']}/archive", json={"x": 1}), 422, "validation")
        is_problem(owner.archive(made, '"2"'), 412, "precondition-failed")
        for tag in ('"1"', None):
            answer = owner.archive(made, tag)
            assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
            archived = {"status": "archived", "version": 2, "updated_at": ""}
            assert answer.json() | {"updated_at": ""} == made | archived
        is_problem(owner.restore(made, '"1"'), 412, "precondition-failed")
        answer = owner.restore(made, '"2"')
        assert (answer.status_code, answer.json()["status"], answer.headers["ETag"]) == (200, "draft", '"3"')


class TestRestore:
    def test_deleted(self, owner: Owner, sql: Sql) -> None:
        made = owner.create(tags=["x"])
        owner.patch(made, status="active")
        owner.delete(made)
        body = owner.restore(made).json()
        assert body == made | {"status": "active", "version": 4, "updated_at": body["updated_at"]}
        assert owner.names(tag="x") == [made["name"]]
        check_counts(sql)

    @pytest.mark.parametrize("steps", [[], ["archive"], ["delete"], ["archive", "delete"]])
    def test_twice(self, owner: Owner, steps: list[str]) -> None:
        """A double click, or a request that came again, changes nothing more."""
        made = owner.create()
        for step in steps:
            getattr(owner, step)(made)
        first, again = owner.restore(made), owner.restore(made)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json() == first.json()
        assert (first.json()["status"], first.json()["version"]) == ("draft", 1 + len(steps) + bool(steps))

    @pytest.mark.parametrize(("age", "status"), [("29 days 23 hours", 200), ("30 days 1 minute", 404)])
    def test_after_a_month(self, owner: Owner, sql: Sql, age: str, status: int) -> None:
        made = owner.create()
        owner.delete(made)
        sql.rows(f"UPDATE campaigns SET deleted_at = now() - interval '{age}'")
        answer = owner.restore(made)
        assert answer.status_code == status
        if status == 404:
            assert is_same_refusal(answer, owner.restore({"campaign_id": 4_711}))


@pytest.mark.parametrize("late", [False, True])
def test_nothing_stays_of_a_deleted_user(
    owner: Owner, stranger: Owner, clerk: Instance, sql: Sql, late: bool
) -> None:
    """Campaigns, templates and stored answers are personal data."""
    templates = Owner(owner.server, clerk, path="/api/templates")
    templates.create(key="k")
    made = owner.create(tags=["x"], key="k")
    stranger.create(tags=["y"], key="k")
    if late:
        owner.delete(made)
    body = event("user.deleted", {"id": "user_1", "deleted": True, "object": "user"})
    headers = clerk.webhook_headers(body)
    assert owner.server.request("POST", "/api/webhooks", data=body, headers=headers).ok
    other = sql.user("user_2")["user_id"]
    for table in ("campaigns", "campaign_tags", "idempotency_keys"):
        assert {row["user_id"] for row in sql.rows(f"SELECT user_id FROM {table}")} == {other}, table
    assert sql.rows("SELECT * FROM campaign_templates") == []
