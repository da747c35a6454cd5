"""/api/campaigns/<id>: reading, deleting, archiving and restoring one."""

import pytest

from tests.support.caller import is_problem, is_same_refusal
from tests.support.campaigns import Owner, check_counts
from tests.support.clerk import Instance, event
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.rows import all_rows


def test_not_modified(owner: Owner) -> None:
    path = f"/{owner.create()['campaign_id']}"
    for tags in ('"1"', 'W/"1"', "*", '"0", "1"', '"x",W/"1"', "1"):
        answer = owner.call("GET", path, headers={"If-None-Match": tags})
        assert (answer.status_code, answer.content) == (304, b""), tags
        assert answer.headers["ETag"] == '"1"'
    for tags in ('"2"', '"11"', '"1', "", '""'):
        assert owner.call("GET", path, headers={"If-None-Match": tags}).status_code == 200, tags
    answer = owner.call("HEAD", path)
    assert (answer.status_code, answer.headers["ETag"], answer.content) == (200, '"1"', b"")


def test_delete(owner: Owner, sql: Sql) -> None:
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


def test_archive_and_back(owner: Owner) -> None:
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
    owner: Owner, stranger: Owner, clerk: Instance, settings: dict[str, str], sql: Sql, late: bool
) -> None:
    """Campaigns, templates and stored answers are personal data. The first two wait for a merge or a restore."""
    templates = Owner(owner.server, clerk, path="/api/templates")
    mark = "nobody-else-says-this"
    templates.create(key="k", name=mark, description=mark, tags=[mark])
    made = owner.create(key="k", name=mark, description=mark, tags=[mark])
    stranger.create(tags=["y"], key="k")
    if late:
        owner.delete(made)
    body = event("user.deleted", {"id": "user_1", "deleted": True, "object": "user"})
    headers = clerk.webhook_headers(body)
    assert owner.server.request("POST", "/api/webhooks", data=body, headers=headers).ok
    assert sql.rows("SELECT * FROM idempotency_keys WHERE user_id = 1") == []
    sql.rows("UPDATE users SET deleted_at = now() - interval '8 days' WHERE clerk_user_id = 'user_1'")
    assert make_app(settings).test_cli_runner().invoke(args=["purge"]).exit_code == 0
    other = sql.user("user_2")["user_id"]
    for table in ("campaigns", "campaign_tags", "idempotency_keys"):
        assert {row["user_id"] for row in sql.rows(f"SELECT user_id FROM {table}")} == {other}, table
    assert sql.rows("SELECT * FROM campaign_templates") == []
    assert mark not in str(all_rows(sql))
