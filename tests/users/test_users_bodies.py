"""PATCH /api/users/<id> with bodies that are none (SECURITY A-02: mass assignment)."""

from typing import Any

import pytest

from tests.support.admins import ADMIN, add_admin, add_user, states
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


@pytest.fixture
def ada(sql: Sql) -> int:
    add_admin(sql)
    return add_user(sql, clerk_user_id="user_ada")


class TestMassAssignment:
    """A member that is not offered changes nothing, nor does its company."""

    @pytest.mark.parametrize(
        "body",
        [
            *(
                {"plan": "pro", name: value}
                for name, value in (
                    ("user_id", 1),
                    ("id", 1),
                    ("clerk_user_id", "user_admin"),
                    ("email", "eve@example.com"),
                    ("email_verified", True),
                    ("banned", False),
                    ("created_at", "2020-01-01"),
                    ("deleted_at", None),
                    ("tokens_limit", 10**9),
                    ("quota", 1),
                    ("subscription", {"plan": "pro"}),
                    ("Role", "admin"),
                    ("", 1),
                )
            ),
            {},
            {"role": None},
            {"role": "user", "is_active": None},
            {"role": "root"},
            {"role": ["admin"]},
            {"role": 1},
            {"role": "ADMIN"},
            {"plan": "gold"},
            {"plan": True},
            {"is_active": "false"},
            {"is_active": 0},
            {"is_active": {}},
            {"role": "admin\x00"},
        ],
        ids=repr,
    )
    def test_refused(self, server: Server, clerk: Instance, sql: Sql, ada: int, body: dict[str, Any]) -> None:
        before = states(sql)
        answer = server.request("PATCH", f"/api/users/{ada}", clerk.token(sub=ADMIN), json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation")
        assert answer.json()["errors"]
        assert states(sql) == before

    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            (b'{"role": "user", "role": "admin"}', "application/json", 400),
            (b'{"role": "admin"', "application/json", 400),
            (b'["role"]', "application/json", 400),
            (b'{"plan": NaN}', "application/json", 400),
            (b'{"role": "admin"}', "text/plain", 415),
            (b"role=admin", "application/x-www-form-urlencoded", 415),
            (b"", "application/json", 422),
        ],
    )
    def test_other_bodies(
        self, server: Server, clerk: Instance, sql: Sql, ada: int, body: bytes, kind: str, status: int
    ) -> None:
        before = states(sql)
        answer = server.request(
            "PATCH",
            f"/api/users/{ada}?role=admin",
            clerk.token(sub=ADMIN),
            data=body,
            headers={"Content-Type": kind},
        )
        assert answer.status_code == status
        assert states(sql) == before
