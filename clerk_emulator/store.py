"""The emulator's state: one SQLite file, one connection, one transaction at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = Path(__file__).with_name("schema.sql")


class Store:
    """Hands out transactions; `changed` is set whenever one of them wrote something."""

    def __init__(self, path: Path) -> None:
        self.changed = threading.Event()
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA foreign_keys = ON")
        # In WAL mode a killed process loses nothing it committed; only a power cut could, and this is a laptop's toy.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA.read_text(encoding="utf-8"))

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
