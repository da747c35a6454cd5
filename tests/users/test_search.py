"""GET /api/users?search=…, and queries that are none."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.admins import Users, add_user
from tests.support.caller import is_problem
from tests.support.database import Sql


class TestSearch:
    @pytest.mark.parametrize("column", ["email", "username", "first_name", "last_name"])
    def test_beginning_in_any_case(self, users: Users, sql: Sql, column: str) -> None:
        ada = add_user(sql, **{column: "Ada.Lovelace@Example.com"})
        for search in ("a", "ada", "ADA", "aDa.LOVELACE@example.COM", "  ada "):
            assert users.ids(search=search) == [ada], search
        for search in ("da", "lovelace", "ada.lovelace@example.com2", "adb"):
            assert users.ids(search=search) == [], search

    def test_exact_ids(self, users: Users, sql: Sql) -> None:
        ada = add_user(sql, clerk_user_id="user_2abc")
        add_user(sql, clerk_user_id="user_2abcd")
        assert users.ids(search="user_2abc") == [ada]
        assert users.ids(search="user_2ab") == []
        assert users.ids(search="USER_2abc") == []
        assert users.ids(search=str(ada)) == [ada]
        assert users.ids(search=f"0{ada}") == []

    def test_number_is_a_beginning_too(self, users: Users, sql: Sql) -> None:
        second = add_user(sql, username="x")
        third = add_user(sql, username=f"{second}nd")
        assert users.ids(search=str(second)) == [third, second]

    def test_wildcards_are_letters(self, users: Users, sql: Sql) -> None:
        for name in ("abc", "Axx"):
            add_user(sql, username=name)
        searches = ("%", "_", "a%", "a_", "\\", "a\\", "%%", "a\\%", "'", "a'", '"', ";--", "$1")
        for search in searches:
            assert users.ids(search=search) == [], search
        ids = {search: add_user(sql, first_name=f"{search}tail") for search in searches}
        for search in searches:
            longer = sorted((ids[other] for other in searches if other.startswith(search)), reverse=True)
            assert users.ids(search=search) == longer, search

    def test_odd_numbers(self, users: Users) -> None:
        for search in ("9" * 18, "9" * 19, str(2**63), "9" * 100, "-1", "1.0", "\u0661", "1e3", "user_"):
            assert users.ids(search=search) == [], search

    def test_letters_beyond_ascii(self, users: Users, sql: Sql) -> None:
        emil = add_user(sql, first_name="émile😀")
        assert users.ids(search="émile😀") == [emil]
        assert users.ids(search="e") == []


WRONG = {
    "cursor": [
        *("", "x", "0", "-1", "01", "1.0", " 1", "1 ", "1\n", "+1", "1e3", "\u0663"),
        *("9" * 19, "9" * 1000, "\x00", "1;DROP"),
    ],
    "limit": ["0", "-1", "101", "1000000000", "x", "", "1.5", "\u0663", "NaN"],
    "search": ["", " ", "\x00", "a\x00b", "a\nb", "\x7f", "x" * 101],
    "role": ["", "root", "ADMIN", "admin'--", "\x00"],
    "plan": ["", "gold", "PRO"],
    "status": ["", "all", "Active", "null"],
}


class TestBadQuery:
    def test_refused(self, users: Users) -> None:
        for name, values in WRONG.items():
            for value in values:
                answer = users.ask(**{name: value})
                body = is_problem(answer, 422, "validation")
                assert [error["path"] for error in body["errors"]] == [name], value
                assert len(value) <= 10 or value not in answer.text

    def test_far_cursor(self, users: Users) -> None:
        assert users.ids(cursor="9" * 18) == [1]
        assert users.ids(cursor="1") == []

    def test_unknown(self, users: Users) -> None:
        """Only a plain word is repeated: anything may stand in its place. The known ones are listed."""
        paths = {name: name for name in ("sort", "page", "offset", "user_id")}
        for name, path in (paths | dict.fromkeys(("ada@example.com", "sk_app_0aZ", "x" * 41), "")).items():
            (error,) = is_problem(users.ask(**{name: "1"}), 422, "validation")["errors"]
            assert error["path"] == path
            assert error["message"].endswith("Known: limit, cursor, search, role, plan, status.")

    def test_rubbish_bytes(self, users: Users) -> None:
        for query in (
            *("search=%ff%fe", "search=%ed%a0%80", "search=%", "role=%00", "limit=%00", "%00=1"),
            "cursor=%ff",
        ):
            assert users.call("GET", f"?{query}").status_code in {200, 422}, query

    @given(query=st.dictionaries(st.sampled_from(["search", "role", "cursor", "limit"]), st.text(max_size=20)))
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text(self, users: Users, query: dict[str, str]) -> None:
        query = {name: value.encode(errors="ignore").decode() for name, value in query.items()}
        assert users.ask(**query).status_code in {200, 422}
