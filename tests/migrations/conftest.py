from collections.abc import Iterator

import pytest
from sqlalchemy import URL, make_url

from tests.migrations.databases import Database, new_database


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> URL:
    return make_url(postgres_url)


@pytest.fixture
def database(postgres: URL) -> Iterator[Database]:
    """A new one, without any table."""
    with new_database(postgres) as database:
        yield database


@pytest.fixture(scope="session")
def _old(postgres: URL) -> Iterator[Database]:
    with new_database(postgres) as database:
        database.upgrade("002")
        yield database


@pytest.fixture(scope="session")
def _password_era(postgres: URL, _old: Database) -> Iterator[Database]:
    with new_database(postgres, template=_old) as database:
        database.fill_password_era()
        yield database


@pytest.fixture(scope="session")
def _migrated(postgres: URL) -> Iterator[Database]:
    with new_database(postgres) as database:
        database.upgrade()
        yield database


@pytest.fixture
def old(postgres: URL, _old: Database) -> Iterator[Database]:
    """One at revision 002, without rows."""
    with new_database(postgres, template=_old) as database:
        yield database


@pytest.fixture
def password_era(postgres: URL, _password_era: Database) -> Iterator[Database]:
    """One at revision 002 with a few hundred users."""
    with new_database(postgres, template=_password_era) as database:
        yield database


@pytest.fixture
def migrated(postgres: URL, _migrated: Database) -> Iterator[Database]:
    """One at the last revision, without rows."""
    with new_database(postgres, template=_migrated) as database:
        yield database
