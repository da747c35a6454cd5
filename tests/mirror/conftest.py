"""The application beside Clerk: beside lists that a test makes, or beside the emulator."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from flask import Flask

from backend.services.clerk.client import bulk, lists
from tests.emulator.harness import EmulatorProcess
from tests.mirror.source import Source
from tests.support.clerk_api import SECRET_KEY
from tests.support.commands import make_app
from tests.support.database import Sql

Clerk = Callable[..., Result]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """Clerk, with pages of 20 and a limit that nobody reaches."""
    monkeypatch.setitem(bulk.ALLOWED, "sk_test_", 1_000_000)
    monkeypatch.setattr(bulk, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(lists, "LIMIT", 20)
    monkeypatch.setattr(lists, "TRAIL", 3)
    with Source() as running:
        yield running


@pytest.fixture
def source_app(settings: dict[str, str], source: Source, sql: Sql) -> Flask:  # noqa: ARG001 - the tables are to be empty
    return make_app(settings | {"CLERK_SECRET_KEY": SECRET_KEY, "CLERK_API_URL": source.url})


@pytest.fixture
def clerk_command(source_app: Flask) -> Clerk:
    """`flask clerk …` in this process, beside `source`."""
    return commands_of(source_app)


def commands_of(app: Flask) -> Clerk:
    def run(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["clerk", *arguments])

    return run


@pytest.fixture
def emulated(emulator: EmulatorProcess) -> EmulatorProcess:
    """The emulator, empty."""
    emulator.call("POST", "/emulator/reset", json={"webhooks": False})
    return emulator


@pytest.fixture(scope="session")
def emulated_settings(
    database_url: str, emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Of the application beside the emulator."""
    return {"DATABASE_URL": database_url, "CLERK_JWKS_DIR": str(tmp_path_factory.mktemp("emulated")), **emulator.keys}
