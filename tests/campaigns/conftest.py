"""Two users with campaigns."""

import pytest

from tests.support.campaigns import Owner
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> Owner:  # noqa: ARG001 - the tables are to be empty
    return Owner(server, clerk)


@pytest.fixture
def stranger(owner: Owner) -> Owner:
    return Owner(owner.server, owner.clerk, "user_2", owner.path)
