"""The PostgreSQL role that reads for SQL admins: all but what the models mark as personal or secret, and the views.

The views run with the rights of their owner. What they show of a user, address and names, is closed in the tables.
"""

from sqlalchemy import Connection, Table, text

from backend.models import ADMIN_VIEWS, Base

ROLE = "counterfoil_readonly"

# Two runs at once would change the same rows of PostgreSQL's catalog, and one of them would fail.
LOCK = text(f"SELECT pg_advisory_xact_lock(hashtext('{ROLE}'))")
FIND_OWNER = text("""
SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'users'::regclass AND NOT pg_has_role(relowner, 'USAGE')
""")
FIND_ROLE = text("SELECT rolname FROM pg_roles WHERE rolname = :role")
MAY_MAKE_ROLES = text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
# Granted on a whole table or on single columns, as far as it is ours to revoke.
FIND_GRANTED = text(f"""
SELECT DISTINCT c.oid::regclass::text FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid,
    LATERAL (SELECT grantee FROM aclexplode(c.relacl) UNION SELECT grantee FROM aclexplode(a.attacl)) granted
WHERE granted.grantee = '{ROLE}'::regrole AND pg_has_role(c.relowner, 'USAGE')
""")  # noqa: S608 - all of it is ours
# However the role comes by its rights: also by a grant to PUBLIC or of a superuser, or as a member of another role.
FIND_RIGHTS = text(f"""
SELECT attrelid::regclass::text AS relation, attname AS name,
       has_column_privilege('{ROLE}', attrelid, attnum, 'SELECT') AS is_read,
       has_table_privilege('{ROLE}', attrelid, 'INSERT, UPDATE, DELETE, TRUNCATE')
           OR has_column_privilege('{ROLE}', attrelid, attnum, 'INSERT, UPDATE') AS is_written
FROM pg_attribute
WHERE attrelid = ANY (CAST(:relations AS text[])::regclass[]) AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2
""")  # noqa: S608 - all of it is ours


class ReadonlyRoleError(Exception):
    """Says in one line what is in the way, and what to do."""


def open_columns(table: Table) -> list[str]:
    """The columns of a table that the role reads."""
    return [column.name for column in table.c if not {"personal", "secret"} & column.info.keys()]


def grant_reading(connection: Connection) -> None:
    """Make the role if it is missing, and let it read what is open. Whatever else it was granted is revoked.

    Column by column: what a later migration adds stays closed until this runs again. Raises ReadonlyRoleError.
    """
    connection.execute(LOCK)
    if (owner := connection.scalar(FIND_OWNER)) is not None:
        raise ReadonlyRoleError(f"The tables belong to {owner}: run this with a DATABASE_URL of that user.")
    _make_role(connection)
    for relation in connection.scalars(FIND_GRANTED).all():
        connection.exec_driver_sql(f"REVOKE ALL ON {relation} FROM {ROLE}")
    connection.exec_driver_sql(f"REVOKE ALL ON SCHEMA public, clerk FROM {ROLE}")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public, clerk TO {ROLE}")
    opened = {table.fullname: open_columns(table) for table in Base.metadata.sorted_tables}
    for table, columns in opened.items():
        connection.exec_driver_sql(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {ROLE}")
    connection.exec_driver_sql(f"GRANT SELECT ON {', '.join(ADMIN_VIEWS)} TO {ROLE}")
    _check(connection, opened)


def _make_role(connection: Connection) -> None:
    if connection.scalar(FIND_ROLE, {"role": ROLE}) is not None:
        return
    if not connection.scalar(MAY_MAKE_ROLES):
        statement = f"CREATE ROLE {ROLE} NOLOGIN"
        raise ReadonlyRoleError(f"The user of DATABASE_URL may make no roles: have a superuser run {statement}; first.")
    connection.exec_driver_sql(f"CREATE ROLE {ROLE} NOLOGIN")


def _check(connection: Connection, opened: dict[str, list[str]]) -> None:
    for row in connection.execute(FIND_RIGHTS, {"relations": [*opened, *ADMIN_VIEWS]}):
        is_open = row.relation in ADMIN_VIEWS or row.name in opened[row.relation]
        if row.is_written or (row.is_read and not is_open):
            raise ReadonlyRoleError(
                f"{ROLE} {'changes' if row.is_written else 'reads'} {row.relation}.{row.name}, by no right of its own: "
                "revoke it from PUBLIC, or take the role out of the one that it is a member of."
            )
