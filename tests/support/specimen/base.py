"""The base of models that only tests have: the application's own metadata knows nothing of them."""

from importlib import import_module

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import MetaData, create_engine, inspect, make_url

from backend.models import base


class Base(base.Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=base.NAMING_CONVENTION)


def migrate(database_url: str) -> None:
    """As alembic would, unless it was done."""
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        if not inspect(connection).has_table("specimens"):
            with Operations.context(MigrationContext.configure(connection)):
                import_module("tests.support.specimen.migration").upgrade()
    engine.dispose()
