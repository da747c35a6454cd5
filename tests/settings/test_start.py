"""Every program with wrong settings: one line for each, a status that is not 0, no traceback, no secret."""

import subprocess
import sys

import pytest

from tests.settings.test_values import PRODUCTION, SECRET
from tests.support.server import PROJECT, clean_environment

GUNICORN = ["gunicorn", "wsgi:app", "-b", "127.0.0.1:0", "-w", "1"]
OTHER_DATABASE = f"mysql://app:{SECRET}@h/d"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (GUNICORN, {"API_KEY_PEPPER": ""}),
        (GUNICORN, {"CLERK_JWT_KEY": SECRET, "LOG_LEVEL": SECRET, "CLERK_WEBHOOK_SECRET": SECRET}),
        (["flask", "--app", "wsgi", "routes"], {"DATABASE_URL": OTHER_DATABASE}),
        (["alembic", "current"], {"DATABASE_URL": OTHER_DATABASE}),
    ],
    ids=["missing", "wrong", "flask", "alembic"],
)
def test_is_refused(arguments: list[str], wrong: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT,
        env=clean_environment(**PRODUCTION | wrong),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    for name in wrong:
        assert [line for line in output.splitlines() if f"{name}: " in line], output
    assert "Traceback" not in output
    for secret in (SECRET, PRODUCTION["CLERK_WEBHOOK_SECRET"]):
        assert secret not in output
