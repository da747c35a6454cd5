"""GET /api/campaigns: pages, filters, order."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from backend.services.campaigns.list import Position, Sort
from tests.support.admins import set_plan
from tests.support.caller import is_problem
from tests.support.campaigns import Owner
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> Owner:
    owner = Owner(server, clerk)
    owner.page()
    set_plan(sql, "enterprise")
    return owner


class TestPages:
    def test_newest_first(self, owner: Owner, clerk: Instance) -> None:
        Owner(owner.server, clerk, "user_2").create(name="another's")
        for number in range(5):
            owner.create(name=str(number))
        assert list(owner.pages(limit=2)) == [["4", "3"], ["2", "1"], ["0"]]
        assert list(owner.pages(limit=2, sort="-created_at")) == [["4", "3"], ["2", "1"], ["0"]]
        assert list(owner.pages(limit=2, sort="created_at")) == [["0", "1"], ["2", "3"], ["4"]]
        assert list(owner.pages(limit=5)) == [["4", "3", "2", "1", "0"]]

    def test_form(self, owner: Owner) -> None:
        assert owner.page() == {"campaigns": [], "next_cursor": None}
        made = owner.create(tags=["x"])
        assert owner.page() == {"campaigns": [made], "next_cursor": None}

    @pytest.mark.parametrize("step", [1, -1])
    def test_by_name(self, owner: Owner, step: int) -> None:
        """In any letter case, by code point; equal names by age."""
        ordered = ["10", "2", "a_b", "a_b", "AB", "b", "é", "É", "ö", "字", "\U0001f389"]
        for name in ["b", "ö", "é", "É", "AB", "a_b", "2", "\U0001f389", "字", "10", "a_b"]:
            owner.create(name=name)
        sort = "name" if step == 1 else "-name"
        for limit in (1, 3, 100):
            names = [name for page in owner.pages(limit=limit, sort=sort) for name in page]
            assert names == ordered[::step]

    @pytest.mark.parametrize("sort", list(Sort))
    def test_what_goes_away_moves_nothing(self, owner: Owner, sort: Sort) -> None:
        made = [owner.create(name=name) for name in "abcd"]
        first = owner.page(limit=2, sort=sort)
        for campaign in first["campaigns"]:
            owner.delete(campaign)
        rest = owner.names(limit=2, sort=sort, cursor=first["next_cursor"])
        gone = {one["name"] for one in first["campaigns"]}
        assert set(rest) == {one["name"] for one in made} - gone


class TestFilters:
    def test_status(self, owner: Owner) -> None:
        made = [owner.create(name=str(number)) for number in range(6)]
        for campaign in made[::2]:
            owner.patch(campaign, status="active")
        assert list(owner.pages(status="active", limit=2)) == [["4", "2"], ["0"]]
        assert owner.names(status="draft", sort="created_at") == ["1", "3", "5"]
        assert owner.names(status="archived") == []

    def test_tag(self, owner: Owner) -> None:
        made = [owner.create(name=str(number), tags=["Ü x", f"n{number}"]) for number in range(5)]
        owner.patch(made[3], tags=["other"])
        assert list(owner.pages(tag="ü X", limit=2)) == [["4", "2"], ["1", "0"]]
        assert owner.names(tag="ü x", sort="created_at") == ["0", "1", "2", "4"]
        assert owner.names(tag="ü") == []

    def test_search(self, owner: Owner) -> None:
        for name in ("Über A", "über B", "UBER", "50 % off", "50 x", "a_b", "axb", "a\\b", "zu über"):
            owner.create(name=name)
        assert owner.names(search="ÜBER") == ["Über A", "über B"]
        assert list(owner.pages(search="über", sort="-name", limit=1)) == [["über B"], ["Über A"]]
        assert owner.names(search="50 %") == ["50 % off"]
        assert owner.names(search="a_") == ["a_b"]
        assert owner.names(search="a\\") == ["a\\b"]
        assert owner.names(search="%") == []

    @pytest.mark.parametrize("step", [1, -1])
    def test_pages_of_a_search(self, owner: Owner, step: int) -> None:
        """From the first to the last name that begins so: equal ones, and the highest letters."""
        ordered = ["b", "B", "b", "ba", "b" * 100, "bé", "b\U0010fffd", "b" + "\U0010fffd" * 99]
        for name in ("a", *ordered, "c"):
            owner.create(name=name)
        sort = "name" if step == 1 else "-name"
        for limit in (1, 3, 100):
            pages = owner.pages(search="B", sort=sort, limit=limit)
            assert [name for page in pages for name in page] == ordered[::step]

    @pytest.mark.parametrize("sort", ["name", "-name"])
    def test_position_in_another_search(self, owner: Owner, sort: str) -> None:
        for name in "aabbcc":
            owner.create(name=name)
        for search in "ac":
            cursor = owner.page(search=search, sort=sort, limit=1)["next_cursor"]
            assert owner.page(search="b", sort=sort, cursor=cursor) == {"campaigns": [], "next_cursor": None}

    def test_wrong_query(self, owner: Owner) -> None:
        for query in (
            *("limit=0", "limit=101", "limit=-1", "limit=1000000000", "limit=x", "page=-1", "offset=1"),
            *("sort=id", "sort=name;drop", "sort=name%20desc", "sort=", "sort=-", "status=deleted"),
            "status=",
            *("tag=", "tag=%00", f"tag={'x' * 51}", "search=", "search=%00", "search=%0a", "user_id=1"),
            *("status=draft&tag=x", "status=draft&search=x", "tag=x&search=x", "search=x&sort=created_at"),
            *("search=x&sort=-created_at", "status=draft&sort=name", "tag=x&sort=-name"),
        ):
            assert is_problem(owner.call("GET", f"?{query}"), 422, "validation")["errors"], query


AT = "2026-01-01T00:00:00+00:00"
BROKEN_TIMES: tuple[Any, ...] = (None, 1, "", "x", [], "2026-01-01", "2026-01-01T00:00:00")


def forged(*parts: Any) -> str:
    return Position._make(parts).encode()


class TestCursor:
    def test_rubbish(self, owner: Owner) -> None:
        for cursor in (
            *("", "x", "1", "a b", "=", "%00", "bnVsbA", "W10", "e30", "é", "W1tbW1tbW1tbW1tbW1tb"),
            "x" * 2_001,
            *(forged("-created_at", campaign_id, AT) for campaign_id in (0, -1, 2**63, 1.0, True, "1", None)),
            *(forged("-created_at", 1, at) for at in BROKEN_TIMES),
            *(forged("-created_at", 1, f"2026-01-01T00:00:00{zone}") for zone in ("Z", "+01:00", "+23:59")),
            *(forged(sort, 1, AT) for sort in ("created_at", "name", "-name", None, 1)),
            forged("-created_at", 1, AT) + "=",
            forged("-created_at", 1, AT).replace("W", "w", 1),
        ):
            is_problem(owner.call("GET", params={"cursor": cursor}), 422, "validation")
        names: list[Any] = [None, 1, "\0", "\ud800", []]
        for name in names:
            query = {"sort": "name", "cursor": forged("name", 1, name)}
            is_problem(owner.call("GET", params=query), 422, "validation")

    @pytest.mark.parametrize("at", [AT, "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
    def test_any_position(self, owner: Owner, at: str) -> None:
        """Ours or not: it leads to a page."""
        for campaign_id in (1, 2**63 - 1):
            owner.page(cursor=forged("-created_at", campaign_id, at))

    def test_of_another_order(self, owner: Owner) -> None:
        for name in "ab":
            owner.create(name=name)
        for made_for in Sort:
            cursor = owner.page(limit=1, sort=made_for)["next_cursor"]
            for sort in set(Sort) - {made_for}:
                answer = owner.call("GET", params={"cursor": cursor, "sort": sort})
                is_problem(answer, 422, "validation")

    @examples(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cursor=st.text(max_size=60), sort=st.sampled_from(list(Sort)))
    def test_any_text(self, cursor: str, sort: Sort) -> None:
        with pytest.raises(ValueError, match="not the next_cursor"):
            Position.decode(cursor, sort)

    @given(
        sort=st.sampled_from([Sort.NAME, Sort.NAME_BACKWARDS]),
        campaign_id=st.integers(1, 2**63 - 1),
        name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=100),
    )
    def test_there_and_back(self, sort: Sort, campaign_id: int, name: str) -> None:
        position = Position(sort, campaign_id, name)
        assert Position.decode(position.encode(), sort) == position
