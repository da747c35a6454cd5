"""An admin who is the first user, and Ada."""

import pytest

from tests.support.admins import Users, add_admin, add_user
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


@pytest.fixture
def users(server: Server, clerk: Instance, sql: Sql) -> Users:
    add_admin(sql)
    return Users(server, clerk)


@pytest.fixture
def ada(users: Users, sql: Sql) -> int:  # noqa: ARG001 - the admin is the first user
    return add_user(sql, clerk_user_id="user_ada", email="ada@example.com")
