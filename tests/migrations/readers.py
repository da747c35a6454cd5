"""An application that goes on reading users while something else happens to them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.migrations.databases import Database


class Reads:
    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self.fault: Exception | None = None


@contextmanager
def reading_users(database: Database) -> Iterator[Reads]:
    """Read users all the time. PostgreSQL itself refuses a read that waits longer than migrations may wait."""
    reads, enough = Reads(), threading.Event()

    def read() -> None:
        try:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SET lock_timeout = '1500ms'"))
                while not enough.is_set():
                    started = time.monotonic()
                    connection.execute(
                        text("SELECT user_id, email, role FROM users WHERE user_id = 42")
                    ).all()
                    reads.longest = max(reads.longest, time.monotonic() - started)
                    reads.count += 1
                    time.sleep(0.002)
        except OperationalError as error:
            reads.fault = error

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield reads
    finally:
        enough.set()
        reader.join()
    assert reads.fault is None
    assert reads.count > 0
