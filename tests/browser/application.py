"""Everything that `make run` starts, with the page built and Clerk's own scripts: what a newcomer has after one
command.
"""

import secrets
import shlex
import signal
from pathlib import Path
from threading import Thread
from typing import Any

from tests.emulator.harness import EmulatorProcess
from tests.support.database import Sql
from tests.support.make_run import MakeRun
from tests.support.ports import free_ports

PASSWORD = "correct horse battery staple"


class Application:
    """A running one. It is shared by all tests: each brings users of its own."""

    def __init__(self, local: Path) -> None:
        port, clerk_port = free_ports(2)
        self.url = f"http://localhost:{port}"
        self._run = MakeRun(local, port, clerk_port)
        self.banner = self._run.wait_until_ready()
        self._log: list[str] = []
        # A pipe that nobody reads would stop the API once it is full.
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.clerk = EmulatorProcess(local / "clerk", f"{self.url}/api/webhooks", clerk_port)
        psql = next(line for line in self.banner.splitlines() if "/psql " in line)
        self.sql = Sql(shlex.split(psql)[1])

    def stop(self) -> None:
        self.sql.close()
        self._run.process.send_signal(signal.SIGTERM)
        self._run.process.wait(40)
        self._reader.join()

    def add_user(self, **fields: Any) -> dict[str, Any]:
        """A user at Clerk, who can sign in with PASSWORD."""
        address = f"{secrets.token_hex(6)}@example.com"
        return self.clerk.create_user(address, **{"password": PASSWORD, "first_name": "Ada"} | fields)

    def subscribe(self, user: dict[str, Any], plan: str) -> None:
        change = "UPDATE subscriptions s SET plan = %s FROM users u WHERE u.user_id = s.user_id AND clerk_user_id = %s"
        self.sql.rows(change, plan, user["id"])

    def complaints(self) -> str:
        """The newest lines of the API's log but for what went well."""
        return "\n".join([line for line in self._log if "INFO" not in line][-40:])

    def _read(self) -> None:
        assert self._run.process.stdout is not None
        with self._run.process.stdout as output:
            self._log += (line.rstrip() for line in output)


def email_of(user: dict[str, Any]) -> str:
    address: str = user["email_addresses"][0]["email_address"]
    return address
