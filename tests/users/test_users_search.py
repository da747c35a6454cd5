"""GET /api/users?search=…, and queries that are none."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.admins import ADMIN, Users, add_admin, add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


@pytest.fixture
def users(server: Server, clerk: Instance, sql: Sql) -> Users:
    add_admin(sql)
    return Users(server, clerk)


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

    @pytest.mark.parametrize(
        "search", ["%", "_", "a%", "a_", "\\", "a\\", "%%", "a\\%", "'", "a'", '"', ";--", "$1"]
    )
    def test_wildcards_are_letters(self, users: Users, sql: Sql, search: str) -> None:
        for name in ("abc", "Axx"):
            add_user(sql, username=name)
        assert users.ids(search=search) == []
        exact = add_user(sql, first_name=f"{search}tail")
        assert users.ids(search=search) == [exact]

    @pytest.mark.parametrize(
        "search", ["9" * 18, "9" * 19, str(2**63), "9" * 100, "-1", "1.0", "\u0661", "1e3", "user_"]
    )
    def test_odd_numbers(self, users: Users, search: str) -> None:
        assert users.ids(search=search) == []

    def test_letters_beyond_ascii(self, users: Users, sql: Sql) -> None:
        emil = add_user(sql, first_name="émile😀")
        assert users.ids(search="émile😀") == [emil]
        assert users.ids(search="e") == []


class TestBadQuery:
    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "0",
            "-1",
            "01",
            "1.0",
            " 1",
            "1 ",
            "1\n",
            "+1",
            "1e3",
            "\u0663",
            "9" * 19,
            "9" * 1000,
            "\x00",
            "1;DROP",
        ],
    )
    def test_cursor(self, users: Users, cursor: str) -> None:
        answer = users.ask(cursor=cursor)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation")
        assert [error["path"] for error in answer.json()["errors"]] == ["cursor"]

    def test_far_cursor(self, users: Users) -> None:
        assert users.ids(cursor="9" * 18) == [1]
        assert users.ids(cursor="1") == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(
                ("limit", value)
                for value in ("0", "-1", "101", "1000000000", "x", "", "1.5", "\u0663", "NaN")
            ),
            *(("search", value) for value in ("", " ", "\x00", "a\x00b", "a\nb", "\x7f", "x" * 101)),
            *(("role", value) for value in ("", "root", "ADMIN", "admin'--", "\x00")),
            *(("plan", value) for value in ("", "gold", "PRO")),
            *(("status", value) for value in ("", "all", "Active", "null")),
        ],
    )
    def test_refused(self, users: Users, name: str, value: str) -> None:
        answer = users.ask(**{name: value})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation")
        assert [error["path"] for error in answer.json()["errors"]] == [name]
        if len(value) > 10:
            assert value not in answer.text

    @pytest.mark.parametrize(
        ("name", "path"),
        [
            *((name, name) for name in ("sort", "page", "offset", "user_id")),
            *((name, "") for name in ("ada@example.com", "sk_app_0aZ", "x" * 41)),
        ],
    )
    def test_unknown(self, users: Users, name: str, path: str) -> None:
        """Only a plain word is repeated: anything may stand in its place. The known ones are listed."""
        answer = users.ask(**{name: "1"})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["path"]) == (422, path)
        assert error["message"].endswith("Known: limit, cursor, search, role, plan, status.")

    def test_rubbish_bytes(self, server: Server, clerk: Instance, sql: Sql) -> None:
        add_admin(sql)
        token = clerk.token(sub=ADMIN)
        for query in (
            "search=%ff%fe",
            "search=%ed%a0%80",
            "search=%",
            "role=%00",
            "limit=%00",
            "%00=1",
            "cursor=%ff",
        ):
            assert server.get(f"/api/users?{query}", token).status_code in {200, 422}, query

    @given(
        query=st.dictionaries(st.sampled_from(["search", "role", "cursor", "limit"]), st.text(max_size=20))
    )
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text(self, server: Server, clerk: Instance, sql: Sql, query: dict[str, str]) -> None:
        if not sql.value("SELECT count(*) FROM users"):
            add_admin(sql)
        query = {name: value.encode(errors="ignore").decode() for name, value in query.items()}
        assert Users(server, clerk).ask(**query).status_code in {200, 422}
