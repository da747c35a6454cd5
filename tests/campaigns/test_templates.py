"""/api/templates: own and shared presets, and campaigns made from them."""

from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.support.admins import ADMIN, add_admin, set_plan
from tests.support.caller import is_problem, is_same_refusal
from tests.support.campaigns import Owner
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import in_parallel

SHOWN = {
    *("template_id", "is_shared", "name", "description", "channel", "budget", "tags"),
    *("created_at", "updated_at"),
}
FULL: dict[str, Any] = {
    "name": "Newsletter",
    "description": "Once a week",
    "channel": "email",
    "budget": {"amount_minor": 5_000, "currency": "EUR"},
    "tags": ["news"],
}


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG001 - the tables are to be empty
    return Owner(server, clerk, path="/api/templates")


@pytest.fixture
def admin(owner: Owner, sql: Sql) -> Owner:
    add_admin(sql)
    return Owner(owner.server, owner.clerk, ADMIN, owner.path)


def change(owner: Owner, template: dict[str, Any], **changes: Any) -> Any:
    return owner.call("PATCH", f"/{template['template_id']}", json=changes)


def delete(owner: Owner, template: dict[str, Any]) -> Any:
    return owner.call("DELETE", f"/{template['template_id']}")


def listed(owner: Owner, **query: Any) -> list[str]:
    return [template["name"] for template in owner.page(**query)["templates"]]


class TestCreate:
    def test_valid(self, owner: Owner) -> None:
        answer = owner.post(**FULL)
        body = answer.json()
        assert (answer.status_code, set(body)) == (201, SHOWN)
        assert answer.headers["Location"] == f"/api/templates/{body['template_id']}"
        assert {name: body[name] for name in FULL} == FULL
        assert body["is_shared"] is False
        assert owner.call("GET", f"/{body['template_id']}").json() == body

    def test_wrong_values(self, owner: Owner, sql: Sql) -> None:
        wrong: list[dict[str, Any]] = [
            *({"name": ...}, {"channel": ...}, {"name": None}, {"channel": "fax"}, {"tags": ["a", "A"]}),
            *({"budget": {"amount_minor": 1, "currency": "XXX"}}, {"is_shared": 1}, {"is_shared": None}),
            *({name: 1} for name in ("user_id", "template_id", "created_at", "status", "starts_at")),
        ]
        for change in wrong:
            is_problem(owner.post(**change), 422, "validation")
        assert sql.value("SELECT count(*) FROM campaign_templates") == 0

    def test_as_many_as_the_plan_allows(self, owner: Owner, admin: Owner, sql: Sql) -> None:
        """Above the limit of a smaller plan nothing is taken away, and nothing new comes."""
        made = owner.create()
        set_plan(sql, "pro")
        sql.rows(
            "INSERT INTO campaign_templates (user_id, name, channel) "
            "SELECT user_id, n, 'sms' FROM campaign_templates, generate_series(1, 99) n"
        )
        body = is_problem(owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (100, 100)
        admin.create(is_shared=True)
        delete(owner, made)
        made = owner.create()
        set_plan(sql, "free")
        body = is_problem(owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (10, 100)
        assert change(owner, made, name="still mine").json()["name"] == "still mine"
        assert len(listed(owner, scope="own", limit=100)) == 100

    def test_many_at_once(self, owner: Owner, sql: Sql) -> None:
        answers = in_parallel([owner.post] * 20)
        assert Counter(answer.status_code for answer in answers) == {201: 10, 402: 10}
        assert sql.value("SELECT count(*) FROM campaign_templates") == 10


class TestChange:
    def test_valid(self, owner: Owner) -> None:
        made = owner.create(**FULL)
        answer = change(owner, made, budget=None, tags=["A", "b"])
        body = answer.json()
        assert body == made | {"budget": None, "tags": ["a", "b"], "updated_at": body["updated_at"]}
        assert body["updated_at"] > made["updated_at"]
        assert change(owner, made).json() == body

    def test_wrong_values(self, owner: Owner) -> None:
        made = owner.create()
        for wrong in ({"is_shared": True}, {"user_id": 1}, {"name": None}, {"tags": None}):
            is_problem(change(owner, made, **wrong), 422, "validation")
        assert owner.call("GET", f"/{made['template_id']}").json() == made

    def test_delete(self, owner: Owner) -> None:
        made = owner.create()
        answer = delete(owner, made)
        assert (answer.status_code, answer.content) == (204, b"")
        is_problem(delete(owner, made), 404, "not-found")
        assert listed(owner) == []


class TestShared:
    def test_everybody_sees_it_and_an_admin_changes_it(self, owner: Owner, admin: Owner) -> None:
        shared = admin.create(is_shared=True, **FULL)
        assert shared["is_shared"] is True
        assert owner.call("GET", f"/{shared['template_id']}").json() == shared
        assert change(admin, shared, name="b").json()["name"] == "b"
        assert delete(admin, shared).status_code == 204

    def test_nobody_else_does(self, owner: Owner, admin: Owner, sql: Sql) -> None:
        shared = admin.create(is_shared=True)
        before = sql.rows("SELECT * FROM campaign_templates")
        impersonated = {"act": {"sub": "user_x"}}
        key = admin.make_key("campaigns:write", "campaigns:read") | {"Authorization": ""}
        for call in (owner.call, partial(admin.call, claims=impersonated), partial(admin.call, headers=key)):
            for method, path, body in (
                ("POST", "", FULL | {"is_shared": True}),
                ("PATCH", f"/{shared['template_id']}", {"name": "x"}),
                ("DELETE", f"/{shared['template_id']}", None),
            ):
                is_problem(call(method, path, json=body), 403, "forbidden")
        assert sql.rows("SELECT * FROM campaign_templates") == before


class TestList:
    def test_pages(self, owner: Owner, stranger: Owner, admin: Owner) -> None:
        stranger.create(name="another's")
        for number in range(6):
            if number % 2:
                admin.create(name=str(number), is_shared=True)
            else:
                owner.create(name=str(number))
        assert listed(owner) == ["5", "4", "3", "2", "1", "0"]
        assert listed(owner, scope="own") == ["4", "2", "0"]
        assert listed(owner, scope="shared") == ["5", "3", "1"]
        pages = list(owner.listed("templates", "name", limit=2))
        assert pages == [["5", "4"], ["3", "2"], ["1", "0"]]

    def test_wrong_query(self, owner: Owner) -> None:
        for query in ("limit=0", "limit=101", "cursor=x", "cursor=0", "cursor=1%00", "scope=all", "user_id=1"):
            is_problem(owner.call("GET", f"?{query}"), 422, "validation")


class TestCampaignFromTemplate:
    @pytest.fixture
    def campaigns(self, owner: Owner) -> Owner:
        return Owner(owner.server, owner.clerk, owner.sub)

    @pytest.mark.parametrize("is_shared", [True, False])
    def test_takes_over_what_is_not_said(
        self, owner: Owner, admin: Owner, campaigns: Owner, sql: Sql, is_shared: bool
    ) -> None:
        template = admin.create(is_shared=True, **FULL) if is_shared else owner.create(**FULL)
        template_id = template["template_id"]
        made = campaigns.create(name=..., channel=..., template_id=template_id)
        assert {name: made[name] for name in FULL} == FULL
        assert made["template_id"] == template_id
        assert campaigns.page(tag="news")["campaigns"] == [made]
        own: dict[str, Any] = {"name": "Own", "channel": "sms", "description": None, "budget": None, "tags": []}
        made = campaigns.create(template_id=template_id, **own)
        assert {name: made[name] for name in own} == own
        delete(admin if is_shared else owner, template)
        assert campaigns.get(made).json() == made
        assert sql.value("SELECT sum(campaigns_created) FROM usage_metrics") == 2

    def test_not_visible(self, stranger: Owner, campaigns: Owner, sql: Sql) -> None:
        theirs = stranger.create()["template_id"]
        answers = [campaigns.post(template_id=number) for number in (theirs, 4_711)]
        for answer in answers:
            errors = is_problem(answer, 422, "validation")["errors"]
            assert [error["path"] for error in errors] == ["template_id"]
        assert is_same_refusal(*answers)
        assert sql.value("SELECT count(*) FROM campaigns") == 0
