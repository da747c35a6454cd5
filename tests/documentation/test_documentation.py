"""What the documentation says to type works, and the lists in it are complete."""

import re
import subprocess
from itertools import takewhile

import pytest

from backend.errors import ErrorCode
from tests.support.database import Sql
from tests.support.server import PROJECT, clean_environment

PAGES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "clerk_emulator" / "README.md",
    PROJECT / "frontend" / "README.md",
]
# Run in whole by tests/development (make run, then the printed line), tests/browser (Vite), tests/production
# (the environment), or on the CI server (make test).
# ngrok and the public address need the internet.
RUN_ELSEWHERE = (
    "curl -s http://localhost:8000/auth/me",
    "ngrok http 8000",
    "python3 -m venv .venv",
    "cd frontend",
    "npm run dev",
)


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of each fenced block in this language."""
    fence = re.compile(rf"^ *```{language}\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    return [(page.name, text) for page in PAGES for text in fence.findall(page.read_text())]


def commands() -> list[str]:
    return [line.strip() for _, text in blocks("sh") for line in text.splitlines() if line.strip()]


def without_running(command: str) -> tuple[str, ...]:
    """What a program says of a command without doing it. Fails where nobody knows how to ask."""
    program, *words = command.split()
    if program == "make":
        return (program, "--dry-run", *words)
    assert program.startswith(".venv/bin/"), "a command nobody tests"
    return (program, *subcommand(words), "--help")


def subcommand(words: list[str]) -> list[str]:
    """Of `--app wsgi keys create ada@example.com …` the part before the arguments. Only flask has one."""
    if words[:1] != ["--app"]:
        return []
    return [*words[:2], *takewhile(re.compile(r"[a-z]+(-[a-z]+)*").fullmatch, words[2:])]


# Many lines of a page are one command with other arguments.
QUESTIONS = sorted({without_running(each) for each in commands() if not each.startswith(RUN_ELSEWHERE)})


@pytest.mark.parametrize("asked", QUESTIONS, ids=" ".join)
def test_command_exists(asked: tuple[str, ...], settings: dict[str, str]) -> None:
    """Each command is known to the program it names; the whole runs are tests of their own."""
    result = subprocess.run(
        asked, cwd=PROJECT, env=clean_environment(**settings), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("page", "statement"), blocks("sql"))
def test_statement_runs(sql: Sql, page: str, statement: str) -> None:
    del page
    sql.rows(statement)


def test_every_error_code_is_explained() -> None:
    text = (PROJECT / "docs" / "errors.md").read_text()
    rows = {
        (code, int(match[2]))
        for match in re.finditer(r"^\| (`.*?`) \| (\d+) \|", text, re.MULTILINE)
        for code in re.findall(r"`([a-z-]+)`", match[1])
    }
    assert rows == {(code.value, int(code.status)) for code in ErrorCode}


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
