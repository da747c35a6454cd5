"""PATCH of a campaign: merging, versions, legal status changes, lost updates."""

from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.support.caller import is_problem
from tests.support.campaigns import Owner, check_counts
from tests.support.database import Sql
from tests.support.traffic import in_parallel

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


WRONG: list[tuple[dict[str, Any], str]] = [
    *(({name: None}, name) for name in ("name", "channel", "tags", "status")),
    ({"status": "deleted"}, "status"),
    ({"template_id": 1}, "template_id"),
    ({"starts_at": "2026-02-01T00:00:00Z"}, "ends_at"),
    ({"ends_at": "2026-01-01T00:00:00Z"}, "ends_at"),
    ({"budget": {"amount_minor": 1}}, "budget.currency"),
]


class TestChange:
    @pytest.mark.parametrize(
        "change",
        [
            *({"name": "b"}, {"channel": "push"}, {"description": None}, {"description": ""}),
            {"budget": None},
            *({"tags": tags} for tags in ([], ["y", "z"], ["y", "x"])),
            *({"starts_at": None}, {"ends_at": None}, {"budget": {"amount_minor": 0, "currency": "USD"}}),
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

    def test_wrong_values(self, owner: Owner, sql: Sql) -> None:
        made = owner.create(**FULL)
        before = sql.rows("SELECT * FROM campaigns")
        for change, path in WRONG:
            body = is_problem(owner.patch(made, **change), 422, "validation")
            assert [error["path"] for error in body["errors"]] == [path]
            assert sql.rows("SELECT * FROM campaigns") == before


@pytest.mark.parametrize("wanted", NEXT)
@pytest.mark.parametrize("present", NEXT)
def test_every_change_of_status(owner: Owner, present: str, wanted: str) -> None:
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
            *(('"2"', False), ('W/"1"', False), ("1", True), ('"01"', False), ("", False), ('"', False)),
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
            is_problem(owner.patch(made, tags), 412, "precondition-failed")  # also what would change nothing
            assert owner.get(made).json() == made

    def test_one_of_twenty_wins(self, owner: Owner) -> None:
        """Lost updates: all have read version 1."""
        made = owner.create()
        answers = in_parallel([partial(owner.patch, made, '"1"', name=f"name {n}") for n in range(20)])
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
        (won,) = [answer for answer in answers if answer.ok]
        assert owner.get(made).json() == won.json()
        assert won.json()["version"] == 2

    def test_without_it_all_win(self, owner: Owner, sql: Sql) -> None:
        made = owner.create()
        answers = in_parallel([partial(owner.patch, made, tags=[f"t{n}"]) for n in range(20)])
        assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 22))
        check_counts(sql)
