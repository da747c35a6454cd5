"""What stands in a path where an id belongs and is none of ours: nothing is found, whoever asks, nothing changes."""

import pytest

from tests.support.admins import ADMIN, add_admin, add_user
from tests.support.caller import Caller, is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.rows import all_rows
from tests.support.server import Server

# No route at all: nobody is asked who it is.
ODD = (
    *("0", "01", "-1", "+1", "1.0", "1e3", "0x1", "1_0", "%201", "1%20", "1 ", "1%0a", "1%00", "%00", "1;", "1;x"),
    *("null", "abc", "..%2F1", "%D9%A1", "%EF%BC%91", "9223372036854775808", "99999999999999999999", "9" * 40),
)
UNKNOWN = ("4711", "9" * 18, "9223372036854775807")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/users/{}", ("GET", "PATCH")),
        ("/api/users/{}/ban", ("POST",)),
        ("/api/users/{}/unban", ("POST",)),
        ("/api/keys/{}", ("GET", "DELETE")),
        ("/api/keys/{}/rotate", ("POST",)),
        ("/api/campaigns/{}", ("GET", "PATCH", "DELETE")),
        ("/api/campaigns/{}/archive", ("POST",)),
        ("/api/campaigns/{}/restore", ("POST",)),
        ("/api/templates/{}", ("GET", "PATCH", "DELETE")),
    ],
)
def test_not_found(server: Server, clerk: Instance, sql: Sql, path: str, methods: tuple[str, ...]) -> None:
    add_admin(sql)
    add_user(sql)
    caller = Caller(server, clerk, ADMIN)
    caller.make_key("profile:read")
    for own in ("/api/campaigns", "/api/templates"):
        assert caller.call("POST", own, json={"name": "x", "channel": "sms"}).status_code == 201
    before = all_rows(sql)
    for method in methods:
        change = {"plan": "pro"} if "users" in path else {"name": "y"}
        options = {"json": change} if method == "PATCH" else {}
        for odd in ODD:
            is_problem(caller.call(method, path.format(odd), **options), 404, "not-found")
            is_problem(server.request(method, path.format(odd)), 404, "not-found")
        for unknown in UNKNOWN:
            is_problem(caller.call(method, path.format(unknown), **options), 404, "not-found")
    assert all_rows(sql) == before
