"""Which set of files a process counts in."""

import os
import signal
from pathlib import Path

from backend.server.metrics_files import Places
from tests.support.waiting import wait_for


def test_lowest_free_one(tmp_path: Path) -> None:
    """Each process has its own, also after a fork; who is killed leaves it to the next."""
    first, second = Places(tmp_path), Places(tmp_path)
    assert (first.own(), second.own(), first.own()) == (0, 1, 0)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, str(second.own()).encode())
        signal.pause()
    assert os.read(read, 1) == b"2"
    assert list(first.free()) == []
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_for(lambda: list(first.free()) == [2])
    assert Places(tmp_path).own() == 2
