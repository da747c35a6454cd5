"""What stands in a path where an id belongs and is none of ours: nothing is found, whoever asks, nothing changes."""

import re

import pytest
from flask import Flask

from tests.support.admins import ADMIN, add_admin, add_user
from tests.support.caller import Caller, is_problem
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.rows import all_rows
from tests.support.server import Server
from tests.support.specimen.owner import Owner

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
        ("/api/specimens/{}", ("GET", "PATCH", "DELETE")),
    ],
)
def test_not_found(specimen_server: Server, clerk: Instance, sql: Sql, path: str, methods: tuple[str, ...]) -> None:
    add_admin(sql)
    add_user(sql)
    caller = Caller(specimen_server, clerk, ADMIN)
    caller.make_key("profile:read")
    Owner(specimen_server, clerk, ADMIN).create()
    before = all_rows(sql)
    for method in methods:
        change = {"plan": "pro"} if "users" in path else {"name": "y"}
        options = {"json": change} if method == "PATCH" else {}
        for odd in ODD:
            is_problem(caller.call(method, path.format(odd), **options), 404, "not-found")
            is_problem(specimen_server.request(method, path.format(odd)), 404, "not-found")
        for unknown in UNKNOWN:
            is_problem(caller.call(method, path.format(unknown), **options), 404, "not-found")
    assert all_rows(sql) == before


def test_every_id_is_read_so(app: Flask) -> None:
    """No route has an id, or anything else in its path, that is read in another way."""
    rules = [str(rule) for rule in app.url_map.iter_rules() if str(rule).startswith("/api/")]
    variables = {variable for rule in rules for variable in re.findall("<(.*?)>", rule)}
    assert variables
    assert {variable for variable in variables if not re.fullmatch(r"id:\w+_id", variable)} == set()
