"""The emulator's state: one SQLite file, one connection, one transaction at a time."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = Path(__file__).with_name("schema")


class NewerStateError(Exception):
    """The file was written by a newer emulator than this one."""


class Store:
    """Hands out transactions; `changed` is set whenever one of them wrote something."""

    def __init__(self, path: Path) -> None:
        """Open the file and bring it to this version's schema. Raises NewerStateError."""
        self.changed = threading.Event()
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        # In WAL mode a killed process loses nothing it committed; only a power cut could, and this is a laptop's toy.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._upgrade()
        self._db.execute("PRAGMA foreign_keys = ON")

    def _upgrade(self) -> None:
        """Run the scripts this file has not seen, each with its number in a transaction of its own."""
        scripts = sorted(_SCHEMA.glob("*.sql"))
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(scripts):
            raise NewerStateError
        for number, script in enumerate(scripts[version:], version + 1):
            statements = script.read_text(encoding="utf-8")
            self._db.executescript(f"BEGIN; {statements}; PRAGMA user_version = {number}; COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block alone, commit it, and undo it if it raises."""
        with self._lock:
            writes_before = self._db.total_changes
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            wrote = self._db.total_changes != writes_before
        if wrote:
            self.changed.set()


def insert(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Write one row. The names of the table and the columns are ours, never a caller's."""
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608


def update(db: sqlite3.Connection, table: str, row_id: str, columns: dict[str, Any]) -> None:
    """Write these columns of one row; the names are ours, as above."""
    names = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE {table} SET {names} WHERE id = ?", (*columns.values(), row_id))  # noqa: S608


def with_text_metadata(columns: dict[str, Any]) -> dict[str, Any]:
    """Give columns with their metadata, which are dicts, as they are stored."""
    return {name: json.dumps(value or {}) if name.endswith("_metadata") else value for name, value in columns.items()}
