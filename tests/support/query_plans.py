"""Databases with many rows, and what PostgreSQL says that it does to answer a statement there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Executable, create_engine, make_url

from tests.support.database import Sql, migrated_database

Plan = dict[str, Any]

# Those of no constraint.
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


@contextmanager
def filled_database(postgres_url: str, name: str, statements: str) -> Iterator[Connection]:
    """A migrated database in which these statements, with a semicolon between them, have put rows."""
    with migrated_database(postgres_url, name) as url:
        filling = Sql(url)
        _fill(filling, statements)
        filling.close()
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def _fill(sql: Sql, statements: str) -> None:
    """Indexes are made, and references looked after, when all rows are there: a million take a fifth of the time."""
    indexes = sql.rows(INDEXES)
    for index in indexes:
        sql.rows(f"DROP INDEX {index['indexname']}")
    sql.rows("SET session_replication_role = replica")
    for statement in statements.split(";"):
        sql.rows(statement)
    sql.rows("SET maintenance_work_mem = '256MB'")
    for index in indexes:
        sql.rows(index["indexdef"])
    sql.rows("VACUUM ANALYZE")


def explain(connection: Connection, statement: Executable, values: Mapping[str, object] | None = None) -> Plan:
    """The plan of the statement, which is run. What it changes is undone."""
    compiled = statement.compile(connection)  # type: ignore[attr-defined] # every statement of ours can
    explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled}"
    (answer,) = connection.exec_driver_sql(explained, {**compiled.params, **(values or {})}).scalar_one()
    connection.rollback()
    plan: Plan = answer["Plan"]
    return plan


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def blocks(plan: Plan) -> int:
    """What was read, in blocks of 8 kB, from memory or disk."""
    read: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return read
