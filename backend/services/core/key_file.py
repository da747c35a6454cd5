"""The last good key set in a file of the node: for all its workers, and for one that starts while Clerk is away."""

import fcntl
import hashlib
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from backend.services.core.public_keys import MAX_SET_BYTES, Keys, usable_keys

PATIENCE_SECONDS = 1.5  # half of what a fetch may take: after a wait for one that hangs, a fetch of one's own has time
POLL_SECONDS = 0.02  # the wait for a lock: a blocking flock() would stop all requests of a gevent worker
OTHERS_WRITE = 0o022
NOTHING: tuple[Keys, float] = ({}, math.inf)

log = logging.getLogger(__name__)


class KeyFile:
    """The key set of one URL, in a directory of our own.

    What others could have written is not believed: directory and file must belong to our user, and only to be written
    by them. The file names its URL and the time of the fetch, so neither a copy nor a backup makes it younger or that
    of another instance. Whatever is wrong with it is logged once, and it is as if there were none.
    """

    def __init__(self, directory: str, url: str) -> None:
        """`directory`: made when its parent is there; empty: one below the temporary directory."""
        self._directory = directory
        self._url = url
        self._name = f"jwks-{hashlib.sha256(url.encode()).hexdigest()}.json"
        self._is_noted = False

    def read(self) -> tuple[Keys, float]:
        """The keys, and how many seconds ago they were fetched; none, from for ever ago, without a good file."""
        try:
            with self._open_directory() as directory, _open_own(self._name, os.O_RDONLY, directory) as file:
                text = file.read(MAX_SET_BYTES + 1)
            kept = json.loads(text) if len(text) <= MAX_SET_BYTES else None
            if isinstance(kept, dict) and kept.get("url") == self._url and type(kept.get("fetched_at")) is float:
                keys, age = usable_keys(kept.get("document")), time.time() - kept["fetched_at"]
                if keys and age >= 0:
                    return keys, age
            self._note("it is damaged")
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            self._note(error)
        return NOTHING

    def write(self, document: object) -> None:
        """Keep what was fetched just now. To be called by whoever is alone."""
        kept = {"url": self._url, "fetched_at": time.time(), "document": document}
        draft = f"{self._name}.new"
        try:
            with self._open_directory() as directory:
                with _open_own(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, directory) as file:
                    file.write(json.dumps(kept).encode())
                os.replace(draft, self._name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            self._note(error)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep the other workers of the node out. True when one was in here, and left while we waited."""
        has_waited = False
        with ExitStack() as held:
            try:
                with suppress(FileExistsError):
                    self._path().mkdir(0o700)
                with self._open_directory() as directory:
                    lock = held.enter_context(_open_own(f"{self._name}.lock", os.O_RDWR | os.O_CREAT, directory))
                has_waited = _acquire(lock)
            except OSError as error:
                self._note(error)
            yield has_waited

    def _path(self) -> Path:
        """Raises OSError when no directory for temporary files can be written."""
        return Path(self._directory or f"{tempfile.gettempdir()}/counterfoil-{os.geteuid()}")

    @contextmanager
    def _open_directory(self) -> Iterator[int]:
        # Opened once and used by its number: nobody can put another one in its place between check and use.
        directory = _open_checked(self._path(), os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield directory
        finally:
            os.close(directory)

    def _note(self, reason: object) -> None:
        if not self._is_noted:
            self._is_noted = True
            log.warning("Clerk's public keys are not kept in a file (CLERK_JWKS_DIR): %s.", reason)


def _open_own(name: str, flags: int, directory: int) -> BinaryIO:
    """A file that belongs to our user alone. Raises OSError for any other."""
    return os.fdopen(_open_checked(name, flags, directory), "r+b" if flags & os.O_RDWR else "rb")


def _open_checked(path: str | Path, flags: int, directory: int | None = None) -> int:
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600, dir_fd=directory)
    state = os.fstat(opened)
    if state.st_uid != os.geteuid() or state.st_mode & OTHERS_WRITE:
        os.close(opened)
        raise PermissionError(f"{path} belongs to another user, or others may write it")
    return opened


def _acquire(lock: BinaryIO) -> bool:
    """Lock the file, or give up after PATIENCE_SECONDS. True when it had to be waited for, and was free then."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    has_waited = False
    while time.monotonic() < ends_at:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            has_waited = True
            time.sleep(POLL_SECONDS)
        else:
            return has_waited
    return False
