"""Commands: `flask --app wsgi users …` in this process, which saves a second each time; any module in its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask

from backend.app import create_app
from config import PROJECT, Settings

EVENTS = "SELECT action, source, actor_user_id, subject_user_id, details FROM audit_events ORDER BY audit_id"

Cli = Callable[..., Result]


ALIASED = ("CLERK_JWT_KEY", "CLERK_WEBHOOK_SECRET")


def make_app(settings: dict[str, str]) -> Flask:
    values = {name if name in ALIASED else name.lower(): value for name, value in settings.items()}
    return create_app(Settings.model_validate(values))


def run_module(
    *arguments: str, environment: dict[str, str], folder: Path = PROJECT, timeout: float = 20
) -> subprocess.CompletedProcess[str]:
    """`python -m …` in `folder`, until it ends."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["users", *arguments])


@contextmanager
def calling_clerk(settings: dict[str, str], secret_key: str, url: str) -> Iterator[Cli]:
    """The commands of an application that may call Clerk's Backend API."""
    app = make_app(settings | {"CLERK_SECRET_KEY": secret_key, "CLERK_API_URL": url})
    yield partial(run, app)


def event(action: str, user_id: int, **details: str) -> dict[str, Any]:
    """A row of EVENTS."""
    told = {"source": "cli", "actor_user_id": None, "subject_user_id": user_id, "details": details}
    return {"action": f"user.{action}", **told}


def assert_refused(result: Result, *expected: str) -> None:
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    for text in expected:
        assert text in line
