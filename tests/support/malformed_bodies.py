"""Bodies that are no JSON object of ours, and what becomes of them."""

from collections.abc import Iterable

from tests.support.caller import Caller
from tests.support.database import Sql
from tests.support.rows import all_rows

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


def check_refused(
    caller: Caller, sql: Sql, method: str, path: str, bodies: Iterable[tuple[bytes, str, int]] = BODIES
) -> None:
    """Each of them, and nothing changes."""
    before = all_rows(sql)
    for body, kind, status in bodies:
        answer = caller.call(method, path, data=body, headers={"Content-Type": kind})
        assert answer.status_code == status, (body[:40], answer.text)
    assert all_rows(sql) == before
