"""The README's example of a view, put into a copy of the project as it says, works and passes the checks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.documentation.pages import blocks
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import PROJECT, clean_environment

CALLS = """
import json, sys
from backend.app import create_app
client = create_app().test_client()
answers = [client.get("/api/notes", headers=headers) for headers in ({"Authorization": sys.argv[1]}, {})]
described = client.get("/openapi.json").get_json()["paths"]["/api/notes"]
print(json.dumps([[answer.status_code for answer in answers], answers[0].get_json(), described]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first line of each block names its file."""
    folder = tmp_path_factory.mktemp("copy") / "project"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "tests", "frontend")
    shutil.copytree(PROJECT, folder, ignore=left_out)
    view, line = (block.text for block in blocks("python", "README.md"))
    (folder / view.splitlines()[0].removeprefix("# ")).write_text(view)
    named, imported, *_, route = line.splitlines()
    table = folder / named.removeprefix("# ")
    text = table.read_text()
    for place, added in (("from backend.api.openapi", imported), ("    Route(webhooks,", f"    {route},")):
        assert text.count(place) == 1
        if added not in text:  # somebody may have tried the example here
            text = text.replace(place, f"{added}\n{place}")
    table.write_text(text)
    return folder


def run(project: Path, *command: str, **settings: str) -> str:
    result = subprocess.run(
        command, cwd=project, env=clean_environment(**settings), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_it_answers(project: Path, settings: dict[str, str], clerk: Instance, sql: Sql) -> None:
    token = clerk.token(sub="user_1", sid="sess_1")
    told: list[Any] = json.loads(run(project, sys.executable, "-c", CALLS, f"Bearer {token}", **settings))
    statuses, mine, described = told
    assert statuses == [200, 401]
    assert mine == {"user_id": sql.value("SELECT user_id FROM users"), "session_id": "sess_1"}
    assert described["get"]["summary"] == "The caller's notes."
    assert described["get"]["security"] == [{"bearer": []}, {"apiKey": ["profile:read"]}, {"sessionCookie": []}]


@pytest.mark.parametrize("checked", [("ruff", "check"), ("ruff", "format", "--check")], ids=" ".join)
def test_it_passes_the_checks(project: Path, checked: tuple[str, ...]) -> None:
    program, *words = checked
    run(project, str(Path(sys.executable).parent / program), *words, "--no-cache", "backend/api")
