"""The role that can read what admins may see, and nothing else."""

from collections.abc import Iterator

import pytest
from click.testing import Result
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import make_url

from backend.models import ADMIN_VIEWS, Base
from backend.models.clerk_object import SCHEMA
from backend.services.readonly_role import ROLE, open_columns
from tests.support.commands import assert_refused, make_app
from tests.support.database import Sql
from tests.support.filled import PERSONAL, SECRET
from tests.support.fixtures import MakeRole

TABLES = {table.fullname: table for table in Base.metadata.sorted_tables}
COLUMNS = (
    "SELECT attrelid::regclass::text || '.' || attname AS name FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
)
# Of our tables and views what the role reads, however it comes by it.
READ = f"""
{COLUMNS} WHERE relnamespace::regnamespace::text IN ('public', 'clerk') AND relkind IN ('r', 'v') AND attnum > 0
AND NOT attisdropped AND has_column_privilege('{ROLE}', attrelid, attnum, 'SELECT')
"""
WRITES = """
SELECT count(*) FROM pg_class
WHERE relkind IN ('r', 'v', 'S') AND relnamespace::regnamespace::text IN ('public', 'clerk')
AND has_table_privilege(%s, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
"""


@pytest.fixture
def reader(database_url: str, make_role: MakeRole) -> Iterator[Sql]:
    """Somebody who has the role and no other right."""
    result = make_role()
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    reader = Sql(database_url)
    reader.rows(f"SET ROLE {ROLE}")
    yield reader
    reader.close()


def read_by_role(sql: Sql) -> set[str]:
    return {row["name"] for row in sql.rows(READ)}


def opened(sql: Sql) -> set[str]:
    views = {row["name"] for row in sql.rows(f"{COLUMNS} WHERE relname = ANY (%s) AND attnum > 0", list(ADMIN_VIEWS))}
    return views | {f"{name}.{column}" for name, table in TABLES.items() for column in open_columns(table)}


def test_reads_what_is_open_and_nothing_else(reader: Sql, sql: Sql) -> None:
    assert read_by_role(sql) == opened(sql)
    assert {"users.role", "admin_users.email", "webhook_events.error", "clerk.organizations.slug"} <= read_by_role(sql)
    for name, table in TABLES.items():
        reader.rows(f"SELECT {', '.join(open_columns(table))} FROM {name}")
    for view in ADMIN_VIEWS:
        reader.rows(f"SELECT * FROM {view}")
    for statement in (
        *("SELECT email FROM users", "SELECT * FROM api_keys", "SELECT payload FROM webhook_events"),
        *("SELECT body FROM idempotency_keys", "SELECT data FROM clerk.organizations", "TABLE alembic_version"),
        *("UPDATE users SET role = 'admin'", "DELETE FROM revoked_sessions"),
        *("INSERT INTO audit_events (action, source) VALUES ('x', 'cli')", "TRUNCATE users CASCADE"),
        *("CREATE TABLE mine ()", "SELECT setval('users_user_id_seq', 1)"),
    ):
        with pytest.raises(InsufficientPrivilege):
            reader.rows(statement)


def test_tables_say_nothing_personal(filled: Sql, reader: Sql) -> None:
    """Whatever the columns are called and marked as."""

    def dump(sql: Sql, *, whole: bool) -> str:
        columns = {name: ", ".join(table.c.keys() if whole else open_columns(table)) for name, table in TABLES.items()}
        return repr([sql.rows(f"SELECT {columns[name]} FROM {name}") for name in TABLES])

    everything, shown = dump(filled, whole=True), dump(reader, whole=False)
    hashes = [str(row["key_hash"]) for row in filled.rows("SELECT key_hash FROM api_keys")]
    for value in (*PERSONAL, *SECRET, *hashes):
        assert value in everything
        assert value not in shown, value
    views = repr([reader.rows(f"SELECT * FROM {view}") for view in ADMIN_VIEWS])
    assert "ada@example.com" in views
    assert not [value for value in (*SECRET, *hashes, "poetical", "nightly", "analyst", "avatar") if value in views]


def test_what_is_computed_of_a_personal_column_is_one() -> None:
    """In schema clerk all is computed of `data`, and most of it are ids: the test above looks at that."""
    for table in (table for table in TABLES.values() if table.schema != SCHEMA):
        closed = set(table.c.keys()) - set(open_columns(table))
        computed = [(column, column.computed) for column in table.c if column.computed is not None]
        for column, expression in computed:
            words = set(str(expression.sqltext).replace("(", " ").replace(",", " ").split())
            assert not words & closed or column.name in closed, column


def test_again(make_role: MakeRole, sql: Sql) -> None:
    """It takes back what was granted by mistake; what is new stays closed, default privileges are not given."""
    assert make_role().exit_code == 0
    sql.rows(f"GRANT ALL ON users, alembic_version, users_user_id_seq TO {ROLE}")
    sql.rows(f"GRANT SELECT (payload), UPDATE (status) ON webhook_events TO {ROLE}")
    sql.rows(f"GRANT ALL ON SCHEMA clerk TO {ROLE}")
    sql.rows("CREATE TABLE clerk.of_tomorrow (id text); ALTER TABLE users ADD COLUMN of_tomorrow text")
    try:
        assert sql.value(WRITES, ROLE) == 3
        assert make_role().exit_code == 0
        assert (read_by_role(sql), sql.value(WRITES, ROLE)) == (opened(sql), 0)
        assert not sql.value("SELECT has_schema_privilege(%s, 'clerk', 'CREATE')", ROLE)
        assert "of_tomorrow" not in repr(read_by_role(sql))
    finally:
        sql.rows("DROP TABLE clerk.of_tomorrow; ALTER TABLE users DROP COLUMN of_tomorrow")


@pytest.mark.parametrize(
    ("grant", "revoke", "told"),
    [
        ("GRANT SELECT ON users TO public", "REVOKE SELECT ON users FROM public", "reads users.bio"),
        (f"GRANT pg_read_all_data TO {ROLE}", f"REVOKE pg_read_all_data FROM {ROLE}", "reads api_keys.key_hash"),
        (f"GRANT pg_write_all_data TO {ROLE}", f"REVOKE pg_write_all_data FROM {ROLE}", "changes admin_organizations."),
    ],
)
def test_rights_that_come_another_way(make_role: MakeRole, sql: Sql, grant: str, revoke: str, told: str) -> None:
    assert make_role().exit_code == 0
    sql.rows(grant)
    try:
        assert_refused(make_role(), f"{ROLE} {told}")
    finally:
        sql.rows(revoke)
    assert make_role().exit_code == 0


OWNER = """
DO $$ DECLARE each regclass; BEGIN
    FOR each IN SELECT oid FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'clerk')
        AND relkind IN ('r', 'v') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO {0}', each);
    END LOOP;
    ALTER SCHEMA clerk OWNER TO {0};
END $$
"""


@pytest.fixture
def plain_owner(sql: Sql) -> Iterator[str]:
    """The tables belong to a role that may do nothing beyond that."""
    superuser = sql.value("SELECT current_user")
    sql.rows("CREATE ROLE plain LOGIN; CREATE ROLE stranger LOGIN")
    sql.rows(OWNER.format("plain"))
    yield "plain"
    sql.rows(OWNER.format(superuser))
    sql.rows("DROP ROLE plain, stranger")


@pytest.mark.usefixtures("make_role")
def test_without_the_right_to_make_roles(settings: dict[str, str], plain_owner: str, sql: Sql) -> None:
    def run_as(user: str) -> Result:
        url = make_url(settings["DATABASE_URL"]).set(username=user).render_as_string()
        return make_app(settings | {"DATABASE_URL": url}).test_cli_runner().invoke(args=["readonly-role"])

    assert_refused(run_as(plain_owner), f"CREATE ROLE {ROLE} NOLOGIN;")
    sql.rows(f"CREATE ROLE {ROLE} NOLOGIN")
    assert run_as(plain_owner).exit_code == 0
    assert read_by_role(sql) == opened(sql)
    assert_refused(run_as("stranger"), "belong to plain")
    sql.rows(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}; ALTER ROLE plain CREATEROLE")
    assert run_as(plain_owner).exit_code == 0
    assert read_by_role(sql) == opened(sql)
    assert not sql.value("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", ROLE)
