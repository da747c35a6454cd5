"""Users a second: bringing all in, and proving that they are there; beside plain COPY, and a script with the SDK."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import psycopg2
from clerk_backend_api import Clerk
from flask import Flask

from backend.container import current_services
from backend.services.clerk.client import bulk
from backend.services.clerk.client.bulk import BulkApi
from backend.services.clerk.client.lists import Lists, Page
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.pages import apply_page
from benchmarks.load import WrongAnswer
from tests.emulator.harness import EmulatorProcess
from tests.support.commands import make_app
from tests.support.database import Sql, driver_url, migrated_database

TABLES = ("clerk.users", "users", "subscriptions", "usage_metrics")
COPY = "COPY of the same rows"
# Each row is a transaction, as people write it; more of them would tell nothing new.
ROW_BY_ROW = 2_000
UPSERT = """
INSERT INTO script_users (id, email, first_name, data) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET email = excluded.email, first_name = excluded.first_name, data = excluded.data
"""


def measure_sync(postgres_url: str, users: int) -> dict[str, float]:
    """Users a second of each way."""
    with (
        migrated_database(postgres_url, "sync") as url,
        tempfile.TemporaryDirectory() as folder,
        EmulatorProcess(Path(folder) / "state", "http://127.0.0.1:9/") as emulator,
    ):
        emulator.call("POST", "/emulator/bulk_seed", json={"users": users, "webhooks": False}, timeout=600)
        app = make_app({"DATABASE_URL": url, "CLERK_JWKS_DIR": folder, **emulator.keys})
        sql = Sql(url)
        with _limit_of_production():
            pages = _read_pages(app)
            rates = {"writing of a backfill": users / _timed(lambda: _write(app, pages))}
            rates |= {COPY: users / _copy(url, sql)}
            sql.empty_all()
            rates |= {"whole backfill": users / _timed(lambda: _run(app, "backfill"))}
            rates |= {"reconcile, nothing changed": users / _timed(lambda: _run(app, "reconcile"))}
        few = min(users, ROW_BY_ROW)
        rates |= {"clerk-backend-api, row by row": few / _timed(lambda: _row_by_row(url, emulator, few))}
        sql.close()
    return rates


def report_sync(rates: dict[str, float]) -> None:
    print(f"{'users, beside COPY':34} {'a second':>7} {'x COPY':>6}")
    for name, rate in rates.items():
        print(f"{name:34} {rate:7.0f} {rate / rates[COPY]:7.2f}")
    print("target: the writing part at least 0.3 x COPY")


@contextmanager
def _limit_of_production() -> Iterator[None]:
    """The emulator's key is of a development instance, which may ask a tenth as often."""
    allowed = dict(bulk.ALLOWED)
    bulk.ALLOWED["sk_test_"] = bulk.ALLOWED["sk_live_"]
    yield
    bulk.ALLOWED.update(allowed)


def _timed(work: Callable[[], object]) -> float:
    began_at = time.perf_counter()
    work()
    return time.perf_counter() - began_at


def _read_pages(app: Flask) -> list[Page]:
    with app.app_context():
        settings = current_services().settings
        key = settings.clerk_secret_key.get_secret_value()
        api = BulkApi(settings.clerk_api_url, key, book=lambda _: 0.0, postpone=lambda _: None)
        return list(Lists(api).pages("users"))


def _write(app: Flask, pages: list[Page]) -> None:
    with app.app_context():
        services = current_services()
        for page in pages:
            services.database.transact(
                lambda connection, page=page: apply_page(  # type: ignore[misc]
                    services.mirror, connection, KINDS["users"], page.objects, source="backfill", as_of=page.as_of
                )
            )


def _copy(url: str, sql: Sql) -> float:
    """Seconds, into tables with the same columns and indexes."""
    seconds = 0.0
    connection = psycopg2.connect(driver_url(url))
    with connection, connection.cursor() as cursor:
        for table in TABLES:
            name = f"copy_of_{table.replace('.', '_')}"
            cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
            schema, _, plain = table.rpartition(".")
            columns = sql.value(
                "SELECT string_agg(column_name, ', ') FROM information_schema.columns "
                "WHERE table_schema = %s AND table_name = %s AND is_generated = 'NEVER'",
                *(schema or "public", plain),
            )
            rows = BytesIO()
            cursor.copy_expert(f"COPY {table} ({columns}) TO STDOUT", rows)
            rows.seek(0)
            seconds += _timed(lambda: cursor.copy_expert(f"COPY {name} ({columns}) FROM STDIN", rows))  # noqa: B023
        seconds += _timed(connection.commit)
    connection.close()
    return seconds


def _run(app: Flask, command: str) -> None:
    result = app.test_cli_runner().invoke(args=["clerk", command, "--only", "users"])
    if result.exit_code:
        raise WrongAnswer(f"clerk {command}: {result.output}")


def _row_by_row(url: str, emulator: EmulatorProcess, users: int) -> None:
    connection = psycopg2.connect(driver_url(url))
    connection.autocommit = True
    clerk = Clerk(bearer_auth=emulator.keys["CLERK_SECRET_KEY"], server_url=f"{emulator.url}/v1")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE script_users (id text PRIMARY KEY, email text, first_name text, data jsonb)")
        for offset in range(0, users, 500):
            for user in clerk.users.list(request={"limit": min(500, users - offset), "offset": offset}):
                email = user.email_addresses[0].email_address if user.email_addresses else None
                cursor.execute(UPSERT, (user.id, email, user.first_name, user.model_dump_json()))
    connection.close()
