"""Bodies that are no JSON object of ours, to every route that reads one: refused alike, and nothing changes."""

import pytest

from tests.support.admins import ADMIN, add_admin, add_user
from tests.support.caller import Caller
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.rows import all_rows
from tests.support.server import Server

JSON = "application/json"
BODIES = (
    (b"", JSON, 422),
    (b'{"amount": 1e999}', JSON, 422),
    *((body, JSON, 400) for body in (b"1", b"[]", b'["role"]', b"{", b'{"role": "admin"', b"[" * 50_000)),
    *((body, JSON, 400) for body in (b'{"name": "a", "name": "b"}', b'{"plan": NaN}', b'{"bio": "\xff"}')),
    (rb'{"name": "\ud800", "bio": "\ud800"}', JSON, 400),
    *((body, JSON, 413) for body in (b" " * 70_000, b"[" * 100_000)),
    *((b'{"name": "a"}', kind, 415) for kind in ("text/plain", "application/x-www-form-urlencoded")),
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/api/me?bio=x"),
        ("POST", "/api/keys"),
        ("POST", "/api/tokens/consume"),
        ("POST", "/api/campaigns"),
        ("PATCH", "/api/campaigns/1"),
        ("POST", "/api/templates"),
        ("PATCH", "/api/templates/1"),
        ("PATCH", "/api/users/2?role=admin"),
    ],
)
def test_refused(server: Server, clerk: Instance, sql: Sql, method: str, path: str) -> None:
    add_admin(sql)
    add_user(sql)
    caller = Caller(server, clerk, ADMIN)
    for own in ("/api/campaigns", "/api/templates"):
        assert caller.call("POST", own, json={"name": "x", "channel": "sms"}).status_code == 201
    before = all_rows(sql)
    for body, kind, status in BODIES:
        # An empty change of a campaign or template is one that changes nothing.
        if body or path.removesuffix("1") not in {"/api/campaigns/", "/api/templates/"}:
            answer = caller.call(method, path, data=body, headers={"Content-Type": kind})
            assert answer.status_code == status, (body[:40], answer.text)
    assert all_rows(sql) == before
