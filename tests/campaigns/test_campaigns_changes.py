"""PATCH of a campaign: merging, versions, legal status changes, lost updates."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.support.campaigns import Owner, check_counts, is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

Step = tuple[str, dict[str, Any], int | None]

NEXT = {
    "draft": {"active", "archived"},
    "active": {"paused", "completed", "archived"},
    "paused": {"active", "completed", "archived"},
    "completed": {"archived"},
    "archived": set(),
}
# How to bring a new campaign into a status.
WAYS = {
    "draft": (),
    "active": ("active",),
    "paused": ("active", "paused"),
    "completed": ("active", "completed"),
    "archived": ("archived",),
}
FULL = {
    "name": "a",
    "channel": "sms",
    "description": "d",
    "budget": {"amount_minor": 5, "currency": "EUR"},
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2026-02-01T00:00:00Z",
    "tags": ["x", "y"],
}


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG001 - the tables are to be empty
    return Owner(server, clerk)


class TestChange:
    @pytest.mark.parametrize(
        "change",
        [
            *(
                {"name": "b"},
                {"channel": "push"},
                {"description": None},
                {"description": ""},
                {"budget": None},
            ),
            *(
                {"tags": []},
                {"tags": ["y", "z"]},
                {"tags": ["y", "x"]},
                {"starts_at": None},
                {"ends_at": None},
            ),
            {"budget": {"amount_minor": 0, "currency": "USD"}},
            {"starts_at": "2027-01-01T00:00:00Z", "ends_at": "2027-01-02T00:00:00Z"},
            {"name": "b", "status": "active"},
        ],
    )
    def test_sets_what_was_sent_alone(self, owner: Owner, sql: Sql, change: dict[str, Any]) -> None:
        made = owner.create(**FULL)
        answer = owner.patch(made, **change)
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        body = answer.json()
        assert body == made | change | {"version": 2, "updated_at": body["updated_at"]}
        assert body["updated_at"] > made["updated_at"]
        assert owner.get(made).json() == body
        check_counts(sql)

    @pytest.mark.parametrize("change", [{}, {"name": "a"}, {"tags": ["X", "y"]}, FULL, {"status": "draft"}])
    def test_nothing_new(self, owner: Owner, change: dict[str, Any]) -> None:
        made = owner.create(**FULL)
        answer = owner.patch(made, **change)
        assert (answer.status_code, answer.json()) == (200, made)

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            *(({name: None}, name) for name in ("name", "channel", "tags", "status")),
            ({"status": "deleted"}, "status"),
            ({"template_id": 1}, "template_id"),
            ({"starts_at": "2026-02-01T00:00:00Z"}, "ends_at"),
            ({"ends_at": "2026-01-01T00:00:00Z"}, "ends_at"),
            ({"budget": {"amount_minor": 1}}, "budget.currency"),
        ],
    )
    def test_wrong_values(self, owner: Owner, sql: Sql, change: dict[str, Any], path: str) -> None:
        made = owner.create(**FULL)
        before = sql.rows("SELECT * FROM campaigns")
        body = is_problem(owner.patch(made, **change), 422, "validation")
        assert [error["path"] for error in body["errors"]] == [path]
        assert sql.rows("SELECT * FROM campaigns") == before


class TestStatus:
    @pytest.mark.parametrize("wanted", NEXT)
    @pytest.mark.parametrize("present", NEXT)
    def test_whole_table(self, owner: Owner, present: str, wanted: str) -> None:
        made = owner.create()
        for status in WAYS[present]:
            assert owner.patch(made, status=status).status_code == 200
        answer = owner.patch(made, status=wanted, name="renamed")
        if wanted in {present, *NEXT[present]}:
            assert answer.json()["status"] == wanted
            return
        detail = is_problem(answer, 409, "conflict")["detail"]
        assert {status for status in NEXT if status in detail.partition("can become")[2]} == NEXT[present]
        assert owner.get(made).json()["name"] == made["name"], "a refused change sets nothing"


class TestIfMatch:
    @pytest.mark.parametrize(
        ("tags", "is_match"),
        [
            *(('"1"', True), ("*", True), ('"7", "1"', True), (None, True)),
            *(('"2"', False), ('W/"1"', False), ("1", False), ('"01"', False), ("", False), ('"', False)),
            *(('"1', False), ('"11"', False), ('"1" "2"', False), ('W/"1", "3"', False), ('"*"', False)),
        ],
    )
    def test_tags(self, owner: Owner, tags: str | None, is_match: bool) -> None:
        made = owner.create()
        answer = owner.patch(made, tags, name="b")
        if is_match:
            assert answer.status_code == 200
        else:
            is_problem(answer, 412, "precondition-failed")
            assert owner.get(made).json() == made

    def test_also_for_what_would_change_nothing(self, owner: Owner) -> None:
        made = owner.create()
        is_problem(owner.patch(made, '"2"'), 412, "precondition-failed")

    def test_archive_and_restore(self, owner: Owner) -> None:
        path = f"/{owner.create()['campaign_id']}"
        for action, tag, status in (
            ("archive", '"2"', 412),
            ("archive", '"1"', 200),
            ("restore", '"1"', 412),
            ("restore", '"2"', 200),
        ):
            answer = owner.call("POST", f"{path}/{action}", headers={"If-Match": tag})
            assert answer.status_code == status

    def test_one_of_twenty_wins(self, owner: Owner) -> None:
        """Lost updates: all have read version 1."""
        made = owner.create()
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: owner.patch(made, '"1"', name=f"name {n}"), range(20)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
        (won,) = [answer for answer in answers if answer.ok]
        assert owner.get(made).json() == won.json()
        assert won.json()["version"] == 2

    def test_without_it_all_win(self, owner: Owner, sql: Sql) -> None:
        made = owner.create()
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: owner.patch(made, tags=[f"t{n}"]), range(20)))
        assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 22))
        check_counts(sql)


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(list(NEXT)),
        "description": st.sampled_from([None, "", "x\ny"]),
        "budget": st.sampled_from([None, {"amount_minor": 0, "currency": "EUR"}]),
        "starts_at": st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"]),
        "ends_at": st.sampled_from([None, "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z"]),
        "tags": st.lists(st.sampled_from(["p", "q", "r"]), unique=True),
    },
)
STEP: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("patch"), CHANGES, st.sampled_from([None, 0, 1])),
    st.tuples(st.sampled_from(["archive", "restore", "delete"]), st.just({}), st.just(None)),
)


class Model:
    """What one campaign should be."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.shown = {name: value for name, value in made.items() if name != "updated_at"}
        self.is_deleted = False

    def apply(self, action: str, change: dict[str, Any], age: int | None) -> int:
        """The status of the answer. `age`: how many versions ago the caller read it."""
        if self.is_deleted and action != "restore":
            return 404
        if age:
            return 412
        if action == "archive":
            return self.apply("patch", {"status": "archived"}, None)
        if action == "patch":
            return self._patch(change)
        if action == "restore":
            if not self.is_deleted and self.shown["status"] != "archived":
                return 200
            if self.shown["status"] == "archived":
                self.shown["status"] = "draft"
        self.shown["version"] += 1
        self.is_deleted = action == "delete"
        return 204 if self.is_deleted else 200

    def _patch(self, change: dict[str, Any]) -> int:
        wanted = self.shown | change
        if wanted == self.shown:
            return 200
        if wanted["status"] not in {self.shown["status"], *NEXT[self.shown["status"]]}:
            return 409
        if wanted["starts_at"] and wanted["ends_at"] and wanted["ends_at"] <= wanted["starts_at"]:
            return 422
        self.shown = wanted | {"version": self.shown["version"] + 1}
        return 200


class TestHistory:
    @examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=st.lists(STEP, max_size=12))
    def test_as_the_model(self, owner: Owner, sql: Sql, steps: list[Step]) -> None:
        sql.empty_all()
        made = owner.create(**FULL)
        model = Model(made)
        path = f"/{made['campaign_id']}"
        for action, change, age in steps:
            if action == "patch":
                tag = None if age is None else f'"{model.shown["version"] - age}"'
                answer = owner.patch(made, tag, **change)
            elif action == "delete":
                answer = owner.delete(made)
            else:
                answer = owner.call("POST", f"{path}/{action}")
            assert answer.status_code == model.apply(action, change, age), answer.text
            shown = owner.get(made)
            assert shown.status_code == (404 if model.is_deleted else 200)
            if not model.is_deleted:
                assert {k: v for k, v in shown.json().items() if k != "updated_at"} == model.shown
                assert shown.headers["ETag"] == f'"{model.shown["version"]}"'
        check_counts(sql)
