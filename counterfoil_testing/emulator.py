"""The local Clerk instance in a process of its own."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import requests
from click.testing import Result

from clerk_emulator import create_app
from counterfoil_testing.ports import free_port
from counterfoil_testing.waiting import wait_for

ROOT = Path(__file__).parents[1]


def clean_environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"ENV", "CLERK_EMULATOR_STATE"}}
    return kept | extra


@dataclass
class EmulatorProcess:
    """`python -m clerk_emulator` on one state folder; it can be killed and started again."""

    state: Path
    webhook_url: str
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        # The output goes to a file: nobody reads a pipe, and a full one would stop the emulator.
        with (self.state.parent / "output.log").open("a") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "clerk_emulator", "--port", str(self.port)),
                    *("--state", str(self.state), "--webhook-url", self.webhook_url),
                    *self.options,
                ],
                cwd=ROOT,
                env=clean_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._answers)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        return self._process.wait(10)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def keys(self) -> dict[str, str]:
        lines = (self.state / "keys.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def output(self) -> str:
        return (self.state.parent / "output.log").read_text()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.keys['CLERK_SECRET_KEY']}"} | options.pop("headers", {})
        return requests.request(method, f"{self.url}{path}", headers=headers, **{"timeout": 5} | options)

    def call(self, method: str, path: str, **options: Any) -> Any:
        response = self.request(method, path, **options)
        assert response.ok, response.text
        return response.json()

    def refusal(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str]:
        """The status and the code of a refusal, which must have Clerk's form."""
        return refusal(self.request(method, path, json=body, **options))

    def create_user(self, email: str, **fields: Any) -> dict[str, Any]:
        user: dict[str, Any] = self.call("POST", "/v1/users", json={"email_address": [email], **fields})
        return user

    def create_session(self, user_id: str) -> dict[str, Any]:
        session: dict[str, Any] = self.call("POST", "/v1/sessions", json={"user_id": user_id})
        return session

    def create_token(self, session_id: str) -> str:
        jwt: str = self.call("POST", f"/v1/sessions/{session_id}/tokens")["jwt"]
        return jwt

    def cli(self, *arguments: str, typed: str = "") -> Result:
        """`flask --app clerk_emulator …` in this process, which saves a second each time."""
        environment = {"CLERK_EMULATOR_STATE": str(self.state)}
        return create_app().test_cli_runner().invoke(args=arguments, input=typed, env=environment)

    def wait_until_all_is_told(self) -> None:
        wait_for(lambda: self.messages("pending") == [])

    def messages(self, status: str) -> list[dict[str, Any]]:
        """All of this status, newest first."""
        found: list[dict[str, Any]] = self.call("GET", f"/emulator/messages?status={status}&limit=10000")
        return found

    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def execute(self, statement: str, *values: str | int) -> list[Any]:
        """Nobody waits for days in a test: the state file is where time passes."""
        state = sqlite3.connect(self.state / "state.sqlite3", timeout=10, isolation_level=None)
        with closing(state):
            return state.execute(statement, values).fetchall()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(self.output)
        # keys.env is the last thing a start writes.
        try:
            fresh = self.keys["CLERK_API_URL"] == self.url
            return fresh and requests.get(f"{self.url}/healthz", timeout=2).ok
        except (OSError, requests.RequestException, KeyError):
            return False


def refusal(answer: requests.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"errors", "clerk_trace_id"}
    [error] = body["errors"]
    assert set(error) - {"meta"} == {"message", "long_message", "code"}
    return answer.status_code, error["code"]
