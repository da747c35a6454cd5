"""Programs with wrong or missing settings: one line, a status that is not 0, no traceback, no secret."""

import base64
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from config import DEVELOPMENT_PEPPER, LOCAL_CLERK_HOST, LOCAL_CLERK_SECRET_PREFIX, LOCAL_CLERK_WEBHOOK_MARK
from tests.support.clerk import Instance
from tests.support.project import DEVELOPMENT, copy_project
from tests.support.server import PROJECT, clean_environment

INSTANCE = Instance("clerk.example.com")
SECRET = "hunter2hunter2hunter2"
# Nobody listens there: the settings are to be refused before the database is asked.
PRODUCTION = {
    "ENV": "production",
    "DATABASE_URL": f"postgresql://app:{SECRET}@127.0.0.1:9/counterfoil",
    "CLERK_PUBLISHABLE_KEY": INSTANCE.publishable_key.replace("pk_test", "pk_live"),
    "CLERK_SECRET_KEY": f"sk_live_{SECRET}",
    "CLERK_WEBHOOK_SECRET": INSTANCE.webhook_secret,
    "API_KEY_PEPPER": secrets.token_urlsafe(32),
}
EMULATOR_PUBLISHABLE_KEY = "pk_test_" + base64.b64encode(f"{LOCAL_CLERK_HOST}$".encode()).decode()
EMULATOR_WEBHOOK_SECRET = "whsec_" + base64.b64encode(LOCAL_CLERK_WEBHOOK_MARK + b"x" * 16).decode()


def _start(
    arguments: list[str], settings: dict[str, str], project: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env=clean_environment(**settings),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where no developer's `make run` says anything."""
    project = tmp_path_factory.mktemp("project") / "counterfoil"
    copy_project(project, without=DEVELOPMENT)
    return project


class TestGunicorn:
    @pytest.mark.parametrize(
        ("key", "settings"),
        [
            ("DATABASE_URL", {"DATABASE_URL": ""}),
            ("DATABASE_URL", {"DATABASE_URL": f"mysql://app:{SECRET}@h/d"}),
            ("CLERK_WEBHOOK_SECRET", {"CLERK_WEBHOOK_SECRET": ""}),
            ("CLERK_WEBHOOK_SECRET", {"CLERK_WEBHOOK_SECRET": SECRET}),
            ("CLERK_WEBHOOK_SECRET", {"CLERK_WEBHOOK_SECRET": EMULATOR_WEBHOOK_SECRET}),
            (
                "CLERK_WEBHOOK_SECRET",
                {"CLERK_WEBHOOK_SECRET": f"{INSTANCE.webhook_secret},{EMULATOR_WEBHOOK_SECRET}"},
            ),
            ("CLERK_PUBLISHABLE_KEY", {"CLERK_PUBLISHABLE_KEY": ""}),
            ("CLERK_PUBLISHABLE_KEY", {"CLERK_PUBLISHABLE_KEY": EMULATOR_PUBLISHABLE_KEY}),
            (
                "CLERK_PUBLISHABLE_KEY",
                {"CLERK_JWT_KEY": INSTANCE.pem, "CLERK_ISSUER": f"https://{LOCAL_CLERK_HOST}"},
            ),
            ("CLERK_SECRET_KEY", {"CLERK_SECRET_KEY": LOCAL_CLERK_SECRET_PREFIX + SECRET}),
            ("CLERK_JWKS_URL", {"CLERK_JWKS_URL": "http://clerk.example.com/.well-known/jwks.json"}),
            ("CLERK_API_URL", {"CLERK_API_URL": "http://api.clerk.example"}),
            ("API_KEY_PEPPER", {"API_KEY_PEPPER": ""}),
            ("API_KEY_PEPPER", {"API_KEY_PEPPER": DEVELOPMENT_PEPPER.decode()}),
            ("CLERK_JWT_KEY", {"CLERK_JWT_KEY": SECRET}),
            ("LOG_LEVEL", {"LOG_LEVEL": SECRET}),
        ],
    )
    def test_refuses(self, key: str, settings: dict[str, str]) -> None:
        ended = _start(["gunicorn", "wsgi:app", "-b", "127.0.0.1:0", "-w", "1"], PRODUCTION | settings)
        output = ended.stdout + ended.stderr
        assert ended.returncode != 0
        assert [line for line in output.splitlines() if f"{key}: " in line], output
        assert "Traceback" not in output
        assert SECRET not in output
        for secret in (INSTANCE.webhook_secret, EMULATOR_WEBHOOK_SECRET):
            assert secret not in output

    def test_several_lines_for_several_faults(self) -> None:
        ended = _start(
            ["gunicorn", "wsgi:app", "-b", "127.0.0.1:0"], PRODUCTION | {"ENV": "x", "CLERK_JWKS_TTL": "y"}
        )
        output = ended.stdout + ended.stderr
        assert ended.returncode != 0
        assert ("ENV: " in output, "CLERK_JWKS_TTL: " in output, "Traceback" in output) == (True, True, False)


class TestOtherPrograms:
    @pytest.mark.parametrize(
        "arguments", [["flask", "--app", "wsgi", "routes"], ["alembic", "current"]], ids=["flask", "alembic"]
    )
    def test_refuse(self, arguments: list[str]) -> None:
        ended = _start(arguments, PRODUCTION | {"DATABASE_URL": f"mysql://app:{SECRET}@h/d"})
        output = ended.stdout + ended.stderr
        assert ended.returncode != 0
        assert "DATABASE_URL: " in output
        assert "Traceback" not in output
        assert SECRET not in output


class TestNoDatabase:
    """In development beside no `make run`."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ["alembic", "upgrade", "head"],
            ["flask", "--app", "wsgi", "users", "list"],
            ["gunicorn", "wsgi:app", "-b", "127.0.0.1:0"],
        ],
        ids=lambda arguments: arguments[0],
    )
    def test_one_line_says_what_to_do(self, project: Path, arguments: list[str]) -> None:
        ended = _start(arguments, {"CLERK_JWT_KEY": INSTANCE.pem, "CLERK_ISSUER": INSTANCE.issuer}, project)
        output = ended.stdout + ended.stderr
        assert ended.returncode != 0
        (line,) = [line for line in output.splitlines() if "DATABASE_URL: " in line]
        assert "Start `make run`, or set DATABASE_URL" in line
        assert "Traceback" not in output
        assert not (project / ".local").exists()
