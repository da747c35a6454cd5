"""What belongs to somebody else is as what never was: the same answer to the letter, and nothing changes."""

import pytest

from tests.support.admins import ADMIN, add_admin
from tests.support.caller import Caller, is_problem, is_same_refusal
from tests.support.campaigns import Owner
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.rows import all_rows
from tests.support.server import Server

CAMPAIGN = (
    *(("GET", "", None), ("PATCH", "", {"name": "taken over"}), ("DELETE", "", None)),
    *(("POST", "/archive", None), ("POST", "/restore", None)),
)


@pytest.mark.parametrize(
    ("path", "operations"),
    [
        ("/api/campaigns", CAMPAIGN),
        ("/campaigns", CAMPAIGN),
        ("/api/templates", CAMPAIGN[:3]),
        ("/api/keys", (("GET", "", None), ("POST", "/rotate", None), ("DELETE", "", None))),
    ],
)
def test_is_not_there(
    server: Server, clerk: Instance, sql: Sql, path: str, operations: tuple[tuple[str, str, object], ...]
) -> None:
    """Also for an admin. A deleted campaign exists for its owner's restoring alone."""
    add_admin(sql)
    for others in (ADMIN, "user_2"):
        Caller(server, clerk, others, "/api/keys").page()
    owner = Owner(server, clerk, path="/api/campaigns")
    owner.delete(owner.create(tags=["x"]))
    owner.create(tags=["x"])
    Owner(server, clerk, path="/api/templates").create()
    key = owner.make_key("profile:read")
    before = all_rows(sql)
    for others in (ADMIN, "user_2"):
        caller = Caller(server, clerk, others, path)
        for method, action, body in operations:
            for own in (1, 2):
                answers = [caller.call(method, f"/{number}{action}", json=body) for number in (own, 4_711)]
                for answer in answers:
                    is_problem(answer, 404, "not-found")
                assert is_same_refusal(*answers)
                assert all_rows(sql) == before
    assert server.get("/auth/me", headers=key).status_code == 200
