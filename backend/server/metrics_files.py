"""Where the workers of one gunicorn count together: files of prometheus_client, a set for each worker.

gunicorn's master imports this too, so it imports nothing of the application.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client


def make_folder(arbiter: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """For the workers to come, once a gunicorn: counts begin at zero when it starts, and go on over its reloads."""
    if not hasattr(arbiter, "metrics_folder"):
        arbiter.metrics_folder = os.environ[VARIABLE] = tempfile.mkdtemp(prefix="counterfoil-metrics-")


def remove_folder(arbiter: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    if folder := getattr(arbiter, "metrics_folder", None):
        shutil.rmtree(folder, ignore_errors=True)


class Places:
    """The sets of files. A process holds the first free one until it ends, in whatever way, and goes on with the counts
    that are in it.

    By its pid, as prometheus_client does it, each worker that was ever replaced would leave a set, to be read at every
    scrape.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number: int | None = None
        os.register_at_fork(after_in_child=self._forget)

    def own(self) -> int:
        """The number of this process; after a fork another one."""
        if self._number is None:
            # The lock is held by the open file, and the kernel closes that, also after SIGKILL.
            self._number = next(number for number in count() if self._lock(number) is not None)
        return self._number

    def _forget(self) -> None:
        self._number = None

    def free(self) -> Iterator[int]:
        """Those that belong to nobody. Each is kept free while the caller looks at it."""
        for number in range(len(list(self._folder.glob("*.lock")))):
            with self._held(number) as is_free:
                if is_free:
                    yield number

    @contextmanager
    def _held(self, number: int) -> Iterator[bool]:
        file = self._lock(number)
        try:
            yield file is not None
        finally:
            if file is not None:
                os.close(file)

    def _lock(self, number: int) -> int | None:
        file = os.open(self._folder / f"{number}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file
