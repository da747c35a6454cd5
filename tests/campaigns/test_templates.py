"""/api/templates: own and shared presets, and campaigns made from them."""

from typing import Any

import pytest

from tests.support.admins import ADMIN, add_admin
from tests.support.campaigns import Owner, is_problem, is_same_refusal
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

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
def stranger(owner: Owner) -> Owner:
    return Owner(owner.server, owner.clerk, "user_2", owner.path)


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


class TestEveryOperation:
    """What all of them refuse."""

    OPERATIONS = (
        ("POST", ""),
        ("GET", ""),
        ("GET", "/{template_id}"),
        ("PATCH", "/{template_id}"),
        ("DELETE", "/{template_id}"),
    )
    ON_ONE = OPERATIONS[2:]
    BODIES: dict[str, Any] = {"POST": FULL, "PATCH": {"name": "taken over"}}  # noqa: RUF012

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    def test_anonymous(self, owner: Owner, sql: Sql, method: str, path: str) -> None:
        made = owner.create()
        before = sql.rows("SELECT * FROM campaign_templates")
        url = owner.path + path.format_map(made)
        answer = owner.server.request(method, url, json=self.BODIES.get(method))
        is_problem(answer, 401, "session-token-missing")
        assert sql.rows("SELECT * FROM campaign_templates") == before

    @pytest.mark.parametrize(("method", "path"), ON_ONE)
    def test_wrong_owner(
        self, owner: Owner, stranger: Owner, admin: Owner, sql: Sql, method: str, path: str
    ) -> None:
        """An admin neither."""
        made = owner.create()
        before = sql.rows("SELECT * FROM campaign_templates")
        for somebody in (stranger, admin):
            answers = [
                somebody.call(method, path.format(template_id=number), json=self.BODIES.get(method))
                for number in (made["template_id"], 4_711)
            ]
            for answer in answers:
                is_problem(answer, 404, "not-found")
            assert is_same_refusal(*answers)
        assert sql.rows("SELECT * FROM campaign_templates") == before

    @pytest.mark.parametrize(("method", "path"), OPERATIONS)
    @pytest.mark.parametrize("has_scope", [True, False])
    def test_key(self, owner: Owner, method: str, path: str, has_scope: bool) -> None:
        made = owner.create()
        right, wrong = ("campaigns:read", "campaigns:write")[:: 1 if method == "GET" else -1]
        key = owner.make_key(right if has_scope else wrong, "profile:read")
        url = owner.path + path.format_map(made)
        answer = owner.server.request(method, url, json=self.BODIES.get(method), headers=key)
        if has_scope:
            assert answer.ok
        else:
            is_problem(answer, 403, "insufficient-scope")


class TestCreate:
    def test_valid(self, owner: Owner) -> None:
        answer = owner.post(**FULL)
        body = answer.json()
        assert (answer.status_code, set(body)) == (201, SHOWN)
        assert answer.headers["Location"] == f"/api/templates/{body['template_id']}"
        assert {name: body[name] for name in FULL} == FULL
        assert body["is_shared"] is False
        assert owner.call("GET", f"/{body['template_id']}").json() == body

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"name": ...}, {"channel": ...}, {"name": None}, {"channel": "fax"}, {"tags": ["a", "A"]}),
            *({"budget": {"amount_minor": 1, "currency": "XXX"}}, {"is_shared": 1}, {"is_shared": None}),
            *({name: 1} for name in ("user_id", "template_id", "created_at", "status", "starts_at")),
        ],
        ids=str,
    )
    def test_wrong_values(self, owner: Owner, sql: Sql, wrong: dict[str, Any]) -> None:
        is_problem(owner.post(**wrong), 422, "validation")
        assert sql.value("SELECT count(*) FROM campaign_templates") == 0

    def test_hundred_are_enough(self, owner: Owner, admin: Owner, sql: Sql) -> None:
        made = owner.create()
        sql.rows(
            "INSERT INTO campaign_templates (user_id, name, channel) "
            "SELECT user_id, n, 'sms' FROM campaign_templates, generate_series(1, 99) n"
        )
        body = is_problem(owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (100, 100)
        admin.create(is_shared=True)
        delete(owner, made)
        owner.create()


class TestChange:
    def test_valid(self, owner: Owner) -> None:
        made = owner.create(**FULL)
        answer = change(owner, made, budget=None, tags=["A", "b"])
        body = answer.json()
        assert body == made | {"budget": None, "tags": ["a", "b"], "updated_at": body["updated_at"]}
        assert body["updated_at"] > made["updated_at"]
        assert change(owner, made).json() == body

    @pytest.mark.parametrize("wrong", [{"is_shared": True}, {"user_id": 1}, {"name": None}, {"tags": None}])
    def test_wrong_values(self, owner: Owner, wrong: dict[str, Any]) -> None:
        made = owner.create()
        is_problem(change(owner, made, **wrong), 422, "validation")
        assert owner.call("GET", f"/{made['template_id']}").json() == made


class TestDelete:
    def test_valid(self, owner: Owner) -> None:
        made = owner.create()
        answer = delete(owner, made)
        assert (answer.status_code, answer.content) == (204, b"")
        is_problem(delete(owner, made), 404, "not-found")
        assert listed(owner) == []


class TestShared:
    def test_everybody_sees_it(self, owner: Owner, admin: Owner) -> None:
        shared = admin.create(is_shared=True, **FULL)
        assert shared["is_shared"] is True
        assert owner.call("GET", f"/{shared['template_id']}").json() == shared

    def test_an_admin_changes_it(self, admin: Owner) -> None:
        shared = admin.create(is_shared=True)
        assert change(admin, shared, name="b").json()["name"] == "b"
        assert delete(admin, shared).status_code == 204

    @pytest.mark.parametrize("caller", ["user", "key of an admin", "impersonated admin"])
    def test_nobody_else_does(
        self, owner: Owner, admin: Owner, clerk: Instance, sql: Sql, caller: str
    ) -> None:
        shared = admin.create(is_shared=True)
        before = sql.rows("SELECT * FROM campaign_templates")
        headers = {
            "user": lambda: {"Authorization": f"Bearer {clerk.token(sub=owner.sub)}"},
            "key of an admin": lambda: admin.make_key("campaigns:write", "campaigns:read"),
            "impersonated admin": lambda: {
                "Authorization": f"Bearer {clerk.token(sub=ADMIN, act={'sub': 'user_x'})}"
            },
        }[caller]()
        path = f"{owner.path}/{shared['template_id']}"
        for method, url, body in (
            ("POST", owner.path, FULL | {"is_shared": True}),
            ("PATCH", path, {"name": "x"}),
            ("DELETE", path, None),
        ):
            answer = owner.server.request(method, url, json=body, headers=headers)
            is_problem(answer, 403, "forbidden")
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
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        while len(seen) < 6:
            page = owner.page(limit=2, **cursor)
            seen += [template["name"] for template in page["templates"]]
            cursor = {"cursor": page["next_cursor"]}
        assert (seen, cursor) == (["5", "4", "3", "2", "1", "0"], {"cursor": None})

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "cursor=x", "cursor=0", "cursor=1%00", "scope=all", "user_id=1"]
    )
    def test_wrong_query(self, owner: Owner, query: str) -> None:
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
        own: dict[str, Any] = {
            "name": "Own",
            "channel": "sms",
            "description": None,
            "budget": None,
            "tags": [],
        }
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
