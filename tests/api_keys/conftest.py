"""Two users who manage API keys, and a key of the first."""

from typing import Any

import pytest

from tests.support.api_keys import KeyOwner
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server


@pytest.fixture
def owner(server: Server, clerk: Instance, sql: Sql) -> KeyOwner:  # noqa: ARG001 - the tables are to be empty
    return KeyOwner(server, clerk)


@pytest.fixture
def stranger(owner: KeyOwner) -> KeyOwner:
    return KeyOwner(owner.server, owner.clerk, "user_2")


@pytest.fixture
def key(owner: KeyOwner) -> dict[str, Any]:
    return owner.create()
