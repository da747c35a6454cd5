"""Bodies that are no JSON object of ours, to every route that reads one: refused alike, and nothing changes."""

import pytest

from tests.support.admins import ADMIN, add_admin, add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.malformed_bodies import check_refused
from tests.support.server import Server
from tests.support.specimen.owner import Owner


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/api/me?bio=x"),
        ("POST", "/api/keys"),
        ("POST", "/api/tokens/consume"),
        ("POST", "/api/specimens"),
        ("PATCH", "/api/specimens/1"),
        ("PATCH", "/api/users/2?role=admin"),
    ],
)
def test_refused(specimen_server: Server, clerk: Instance, sql: Sql, method: str, path: str) -> None:
    add_admin(sql)
    add_user(sql)
    Owner(specimen_server, clerk, ADMIN).create()
    check_refused(Owner(specimen_server, clerk, ADMIN, path=""), sql, method, path)
