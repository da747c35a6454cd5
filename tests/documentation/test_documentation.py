"""What the documentation says to type works, and the lists in it are complete."""

import re
import subprocess
from contextlib import closing
from itertools import takewhile

import psycopg2
import pytest

from backend.errors import ErrorCode
from backend.services.readonly_role import ROLE
from config import PROJECT
from tests.documentation.pages import PAGES, blocks, name_of
from tests.support.database import driver_url
from tests.support.fixtures import MakeRole
from tests.support.server import clean_environment
from tests.support.tables import check_each

# Run as a whole by tests/development (make run, then the printed line; campaigns taken out), tests/browser (Vite, the
# page without a framework), tests/emulator (Express), test_flask_example (tar), tests/deployment (roles, backup,
# restore, passwords), or on the CI server (make test). ngrok, the public address and Inngest's dev server need the
# internet; what sets up a machine or a container needs one of its own.
RUN_ELSEWHERE = (
    *("OWNER_PASSWORD=", "createdb ", "deploy/", "for name in "),
    *("cp deploy/", "docker compose ", "install --", "systemctl ", "useradd "),
    *("curl", "ngrok http 8000", "cd ", "npm ", "python3 -m http.server", "python3 -m venv", "tar ", "export ", "rm "),
    "npx inngest-cli",
)
CRON_TIMES = re.compile(r"(?:(?:[0-9]{1,2}|\*) ){5}cd \S+ && ")
LONGEST_LINE = 120


def commands() -> list[str]:
    typed = [line.strip() for block in blocks("sh") for line in block.text.replace("\\\n", "").splitlines()]
    return [line for line in (*typed, *scheduled()) if line]


def scheduled() -> list[str]:
    """The commands of crontab lines."""
    lines = [line for block in blocks("cron") for line in block.text.splitlines()]
    assert all(CRON_TIMES.match(line) for line in lines), lines
    return [CRON_TIMES.sub("", line) for line in lines]


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


@pytest.mark.usefixtures("filled")
def test_statements_find_something(make_role: MakeRole, database_url: str) -> None:
    """Those that only read, as whoever may only read. Each block by itself: what it changes is undone."""
    result = make_role()
    assert result.exit_code == 0, result.stderr
    with closing(psycopg2.connect(driver_url(database_url))) as connection, connection.cursor() as cursor:

        def judge(block: str) -> str:
            statements = [statement for statement in block.split(";") if statement.strip()]
            if all(statement.lstrip().startswith("SELECT") for statement in statements):
                cursor.execute(f"SET ROLE {ROLE}")
            try:
                for statement in statements:
                    cursor.execute(statement)
                    if cursor.rowcount == 0:
                        return f"nothing: {statement}"
            except psycopg2.Error as error:
                return str(error)
            finally:
                connection.rollback()
            return "found"

        check_each((block.text for block in blocks("sql")), judge, "found")


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
            assert (page.parent / link).exists(), f"{name_of(page)}: {link}"


def test_lines_are_short() -> None:
    """But for rows of tables, which cannot be broken, commands that are pasted, and what is written by a program."""
    for page in PAGES:
        text = re.sub(r"^<!-- (\w+) -->.*?^<!-- end of \1 -->", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"^ *```sh\n.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
        lines = [line for line in text.splitlines() if not line.startswith("|")]
        assert [line for line in lines if len(line) > LONGEST_LINE] == [], name_of(page)
