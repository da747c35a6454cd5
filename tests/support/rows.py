"""All that the database holds, to compare before and after."""

from typing import Any

from tests.support.database import Sql

Rows = dict[str, list[dict[str, Any]]]


def all_rows(sql: Sql) -> Rows:
    """Every row of every table."""
    tables = sql.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    names = [table["tablename"] for table in tables]
    return {name: sql.rows(f"SELECT * FROM {name} t ORDER BY t::text") for name in names}


def changed_tables(before: Rows, after: Rows) -> set[str]:
    return {name for name, rows in after.items() if before[name] != rows}
