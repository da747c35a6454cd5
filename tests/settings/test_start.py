"""Programs with wrong or missing settings: one line for each, a status that is not 0, no traceback, no secret."""

from pathlib import Path

import pytest

from tests.settings.test_values import PRODUCTION, SECRET
from tests.support.clerk import Instance
from tests.support.commands import run_module
from tests.support.project import DEVELOPMENT, copy_project
from tests.support.server import clean_environment

GUNICORN = ["gunicorn", "wsgi:app", "-b", "127.0.0.1:0", "-w", "1"]
OTHER_DATABASE = f"mysql://app:{SECRET}@h/d"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (GUNICORN, {"API_KEY_PEPPER": "", "CLERK_AUTHORIZED_PARTIES": ""}),
        (GUNICORN, {"CLERK_JWT_KEY": SECRET, "LOG_LEVEL": SECRET, "CLERK_WEBHOOK_SECRET": SECRET}),
        (["flask", "--app", "wsgi", "routes"], {"DATABASE_URL": OTHER_DATABASE}),
        (["alembic", "current"], {"DATABASE_URL": OTHER_DATABASE}),
    ],
    ids=["missing", "wrong", "flask", "alembic"],
)
def test_is_refused(arguments: list[str], wrong: dict[str, str]) -> None:
    ended = run_module(*arguments, environment=clean_environment(**(PRODUCTION | wrong)))
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    for name in wrong:
        assert [line for line in output.splitlines() if f"{name}: " in line], output
    assert "Traceback" not in output
    for secret in (SECRET, PRODUCTION["CLERK_WEBHOOK_SECRET"]):
        assert secret not in output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where no developer's `make run` says anything."""
    project = tmp_path_factory.mktemp("project") / "counterfoil"
    copy_project(project, without=DEVELOPMENT)
    return project


@pytest.mark.parametrize(
    "arguments",
    [
        ["alembic", "upgrade", "head"],
        ["flask", "--app", "wsgi", "users", "list"],
        ["gunicorn", "wsgi:app", "-b", "127.0.0.1:0"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_database(project: Path, clerk: Instance, arguments: list[str]) -> None:
    """In development beside no `make run`: one line says what to do."""
    ended = run_module(
        *arguments, environment=clean_environment(CLERK_JWT_KEY=clerk.pem, CLERK_ISSUER=clerk.issuer), folder=project
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    (line,) = [line for line in output.splitlines() if "DATABASE_URL: " in line]
    assert "Start `make run`, or set DATABASE_URL" in line
    assert "Traceback" not in output
    assert not (project / ".local").exists()
