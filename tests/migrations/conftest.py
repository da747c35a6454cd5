from collections.abc import Iterator

import pytest
from sqlalchemy import URL, make_url

from tests.migrations.databases import Database, empty_database


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> URL:
    return make_url(postgres_url)


@pytest.fixture
def database(postgres: URL) -> Iterator[Database]:
    """A new one, without any table."""
    with empty_database(postgres) as database:
        yield database
