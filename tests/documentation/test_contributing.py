"""Every file, function and name that CONTRIBUTING.md mentions exists where it says, and the two walks are the real
ones.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from flask import Flask

from config import PROJECT
from tests.support.clerk import Instance, event, user_data
from tests.support.database import Sql

PAGE = (PROJECT / "CONTRIBUTING.md").read_text()
QUOTED = re.compile(r"`([^`\s]+)`")
PATH = re.compile(r"[\w.<>-]+(?:/[\w.<>-]+)+/?|[\w.-]+/|\.?[\w-]+(?:\.\w+)*\.(?:py|md|toml|in|txt|example|json)")
NAME = re.compile(r"(?:\w+\.)?[A-Za-z_]\w*(\(\))?")
# An item of a list, a cell of a table, a paragraph: a name belongs to the path before it in the same one.
PIECES = re.compile(r"\n\n|\n(?= *(?:[*|]|\d+\.))| \| ")


def mentioned() -> Iterator[tuple[str, str]]:
    """(path, name in it) as the page has them; the name is empty for the path itself."""
    for piece in PIECES.split(PAGE):
        path = ""
        for word in QUOTED.findall(piece):
            if PATH.fullmatch(word):
                path = word
                yield path, ""
            elif path.endswith((".py", ".tsx")) and NAME.fullmatch(word):
                yield path, word


MENTIONED = sorted(set(mentioned()))


def functions(path: Path) -> set[str]:
    """The functions and methods of a module: `name` and `Class.name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("path", "name"), MENTIONED, ids=[" ".join(each) for each in MENTIONED])
def test_exists(path: str, name: str) -> None:
    # Of a file that is to be made, the folder: backend/api/<projects>.py.
    folder, is_new, _ = path.partition("<")
    file = PROJECT / folder
    assert (file.parent if is_new and not folder.endswith("/") else file).exists()
    if name.endswith("()"):
        assert name.removesuffix("()") in functions(file)
    elif name:
        assert re.search(rf"\b{re.escape(name)}\b", file.read_text())


def test_both_ways_are_there() -> None:
    """The walks name their files and functions; a page that lost them would pass the test above."""
    walks = PAGE.partition("## The way of a session token")[2].partition("## What you want to change")[0]
    assert len(set(re.findall(r"`[\w/]+\.py`", walks))) >= 15
    assert len(set(re.findall(r"`[\w.]+\(\)`", walks))) >= 20


def walk(heading: str) -> list[str]:
    """The functions that the section names, in order, as `file.py function`."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    steps, path = [], ""
    for word in QUOTED.findall(section):
        path = word if PATH.fullmatch(word) else path
        if word.endswith("()"):
            steps.append(f"{path} {word.removesuffix('()')}")
    return steps


def calls_in(work: Callable[[], object]) -> list[str]:
    """Each function of the backend that `work` calls, by its first call."""
    called: dict[str, None] = {}

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PROJECT / "backend")):
            called[f"{Path(code.co_filename).relative_to(PROJECT)} {code.co_qualname}"] = None

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(called)


def test_a_token_goes_this_way(app: Flask, clerk: Instance, sql: Sql) -> None:  # noqa: ARG001 - a new user
    headers = {"Authorization": f"Bearer {clerk.token(sub='user_1')}"}
    called = calls_in(lambda: app.test_client().get("/auth/me", headers=headers))
    # This application has its key from CLERK_JWT_KEY.
    named = [step for step in walk("The way of a session token") if "jwks.py" not in step]
    assert len(named) >= 15
    # A new user is read before it is made.
    assert sorted(named, key=called.index) == named


def test_a_webhook_goes_this_way(app: Flask, clerk: Instance, sql: Sql) -> None:  # noqa: ARG001 - a new user
    body = event("user.updated", user_data("user_1"))
    headers = clerk.webhook_headers(body)
    called = calls_in(lambda: app.test_client().post("/api/webhooks", data=body, headers=headers))
    named = walk("The way of a webhook")
    assert len(named) >= 13
    assert sorted(named, key=called.index) == named
