"""SQL that is sent as it stands: to have SQLAlchemy build a statement costs 0.1 to 0.3 ms of CPU each time, and to have
PostgreSQL plan it as much again.
"""

import hashlib
import re
from typing import Any

from psycopg2.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName
from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

# A statement is not there, or is there already: PgBouncer gave us another server connection than last time, one that is
# the other way round. Or its plan no longer fits: a migration changed the type of a column.
UNLIKE_LAST_TIME = (InvalidSqlStatementName, DuplicatePreparedStatement, FeatureNotSupported)

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class Statement:
    """A statement of a transaction, with values as `:name`."""

    def __init__(self, sql: str) -> None:
        """`sql`: ours alone. PostgreSQL must be able to tell the types of the values from it."""
        self.sql = sql
        self._plain = _to_driver(sql)

    def run(self, connection: Connection, **values: object) -> CursorResult[Any]:
        """Raises what SQLAlchemy raises."""
        return connection.exec_driver_sql(self._plain, values)


class PreparedStatement(Statement):
    """Statements that PostgreSQL plans a few times a connection, not each time: for what every event pays.

    They are sent together, in one round trip; each sees what was committed before it began. The result is the last's.
    """

    def __init__(self, *statements: str) -> None:
        super().__init__("; ".join(statements))
        self._steps = [_Step(sql) for sql in statements]

    def run(self, connection: Connection, **values: object) -> CursorResult[Any]:
        """Where the connection is unlike last time the transaction fails; `Database` tries it again unprepared."""
        if connection.info.get("is_unlike"):
            return super().run(connection, **values)
        prepared: set[str] = connection.info.setdefault("prepared", set())
        sent = "; ".join(step.execute if step.name in prepared else step.prepare for step in self._steps)
        names = {step.name for step in self._steps}
        try:
            result = connection.exec_driver_sql(sent, values)
        except DBAPIError as error:
            if isinstance(error.orig, DuplicatePreparedStatement):
                prepared.update(names)
            elif isinstance(error.orig, UNLIKE_LAST_TIME):
                prepared.clear()
            raise
        prepared.update(names)
        return result


class _Step:
    def __init__(self, sql: str) -> None:
        names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        places = {name: f"${number}" for number, name in enumerate(names, 1)}
        numbered = _PARAMETER.sub(lambda match: places[match[1]], sql.replace("%", "%%"))
        self.name = name_prepared(sql)
        self.execute = _to_driver(f"EXECUTE {self.name}({', '.join(f':{name}' for name in names)})")
        self.prepare = f"PREPARE {self.name} AS {numbered}; {self.execute}"


def name_prepared(sql: str) -> str:
    """By its text: through PgBouncer two versions of this application may share a server connection."""
    return f"counterfoil_{hashlib.sha256(sql.encode()).hexdigest()[:16]}"


def _to_driver(sql: str) -> str:
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
