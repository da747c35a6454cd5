"""The TypeScript client in frontend/ fits the API: its description and types are current, and it works."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from development.describe_api import describe
from development.generate_client import DESCRIPTION, TYPES, generate
from development.node import FRONTEND, NodeError, ToolsMissingError, install, run_tool
from tests.support.between import Between
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import PROJECT, Server

CURRENT = "run `make client` and commit frontend/"
EXAMPLES = Path(__file__).parent / "typescript"
# Node.js 18 has no `crypto` of browsers unless it is put there.
START = "import {{ webcrypto }} from 'node:crypto'; globalThis.crypto ??= webcrypto; await import({script});"


@pytest.fixture(scope="session")
def tools() -> None:
    """What frontend/package.json names is installed."""
    try:
        install()
    except ToolsMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def program(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """calls.ts and the client as JavaScript."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "package.json").write_text('{"type": "module"}')
    compile_strictly(folder, "calls.ts")
    return folder / (EXAMPLES / "calls.js").relative_to(PROJECT)


@pytest.fixture
def between(server: Server) -> Iterator[Between]:
    proxy = Between(server)
    yield proxy
    proxy.close()


@pytest.fixture
def page(program: Path, between: Between, clerk: Instance, sql: Sql) -> "Page":  # noqa: ARG001 - a new user
    return Page(program, between, clerk)


class Page:
    """Runs a scenario of calls.ts as a signed-in user."""

    def __init__(self, program: Path, between: Between, clerk: Instance) -> None:
        self.program, self.between = program, between
        self.good = clerk.token(sub="user_1")
        now = clerk.claims()["iat"]
        self.expired = clerk.token(sub="user_1", iat=now - 120, nbf=now - 130, exp=now - 60)
        self.waits: list[int] = []
        self.timeouts: list[int] = []

    def run(self, scenario: str, cached: str | None = None, url: str | None = None) -> Any:
        """What came of it. `cached`: the token that the page has, empty when signed out; a fresh one is good."""
        start = START.format(script=json.dumps(str(self.program)))
        tokens = (self.good if cached is None else cached, self.good)
        arguments = ("--eval", start, "calls.js", url or self.between.url, scenario, *tokens)
        printed = subprocess.run(
            ["node", "--input-type=module", *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        assert printed.returncode == 0, printed.stderr
        told = json.loads(printed.stdout)
        self.waits, self.timeouts = told["waits"], told["timeouts"]
        return told["result"]


def compile_strictly(folder: Path, example: str) -> None:
    """With the rules of frontend/; the result in `folder`. Raises NodeError."""
    rules = {
        "extends": str(FRONTEND / "tsconfig.json"),
        "compilerOptions": {"noEmit": False, "rootDir": str(PROJECT), "outDir": str(folder)},
        "files": [str(EXAMPLES / example)],
        "include": [],
    }
    (folder / "tsconfig.json").write_text(json.dumps(rules))
    run_tool("tsc", "--project", str(folder))


def test_description_is_current() -> None:
    assert DESCRIPTION.read_text() == describe(), CURRENT


@pytest.mark.usefixtures("tools")
def test_types_are_current(tmp_path: Path) -> None:
    generate(DESCRIPTION, tmp_path / TYPES.name)
    assert TYPES.read_bytes() == (tmp_path / TYPES.name).read_bytes(), CURRENT


@pytest.mark.usefixtures("tools")
def test_mistakes_do_not_compile(tmp_path: Path) -> None:
    text = (EXAMPLES / "mistakes.ts").read_text()
    marked = {
        number: found[1]
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.search(r"// (TS\d+)", line))
    }
    with pytest.raises(NodeError) as refused:
        compile_strictly(tmp_path, "mistakes.ts")
    told = re.findall(r"^(?:.*/)?(\w+)\.ts\((\d+),\d+\): error (TS\d+)", str(refused.value), re.MULTILINE)
    assert [(file, int(line), code) for file, line, code in told] == [
        ("mistakes", line, code) for line, code in marked.items()
    ]


def test_life_of_a_key(page: Page) -> None:
    left = {"scopes": ["profile:read"], "names": ["Spring & sale"], "next_cursor": None, "gone": True}
    assert page.run("life") == left


def test_query_is_encoded(page: Page) -> None:
    """As two values it would be refused for the unknown one."""
    assert page.run("encoded") == [401, "session-revoked"]


def test_problem_is_typed(page: Page) -> None:
    """But for the page of a proxy, which is none."""
    assert page.run("missing") == [404, "not-found"]
    page.between.instead = [(502, {"Content-Type": "text/html"})]
    assert page.run("foreign") == [502, None]


def test_expired_token_is_replaced_once(page: Page) -> None:
    page.good = page.expired
    assert page.run("refused") == [401, "token-expired"]
    assert len(page.between.requests) == 2


@pytest.mark.parametrize(("cached", "code"), [("wrong", "token-invalid"), ("", "session-token-missing")])
def test_other_refusals_are_final(page: Page, cached: str, code: str) -> None:
    assert page.run("refused", cached=cached) == [401, code]
    assert len(page.between.requests) == 1


def test_replaced_token_makes_one_key(page: Page, sql: Sql) -> None:
    assert page.run("create", cached=page.expired) == "Spring & sale"
    (first, second) = page.between.requests
    assert first == second
    assert first[2] is not None
    assert sql.value("SELECT count(*) FROM api_keys") == 1


@pytest.mark.parametrize("status", [429, 503])
def test_lost_answer_makes_one_key(page: Page, sql: Sql, status: int) -> None:
    page.between.instead = [(status, {"Retry-After": "1"})]
    assert page.run("create") == "Spring & sale"
    assert 1000 in page.waits  # Node.js itself has other timers
    (first, second) = page.between.requests
    assert first == second
    assert sql.value("SELECT count(*) FROM api_keys") == 1


def test_each_post_has_a_key_of_its_own(page: Page, sql: Sql) -> None:
    page.run("create")
    page.run("create")
    page.run("create-with-key")
    keys = [key for _, _, key in page.between.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"
    assert sql.value("SELECT count(*) FROM api_keys") == 3


def test_lost_answer_is_asked_for_once_more(page: Page) -> None:
    page.between.instead = [(503, {"Retry-After": "0"}), (503, {"Retry-After": "0"})]
    assert page.run("refused") == [503, None]
    assert len(page.between.requests) == 2


@pytest.mark.parametrize(
    ("scenario", "status", "headers"),
    [
        ("change-refused", 503, {"Retry-After": "0"}),
        ("create-refused", 500, {"Retry-After": "0"}),
        ("create-refused", 503, {}),
        ("create-refused", 503, {"Retry-After": "11"}),
        ("create-refused", 503, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}),
    ],
    ids=["no key", "another status", "no time", "too long", "a date"],
)
def test_not_repeated(page: Page, scenario: str, status: int, headers: dict[str, str]) -> None:
    page.between.instead = [(status, headers)]
    assert page.run(scenario) == [status, None]
    assert len(page.between.requests) == 1


def test_api_that_is_frozen(page: Page) -> None:
    """The kernel takes the request, and nobody answers: as of a process that was stopped."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        url = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        assert page.run("frozen", url=url) == "TimeoutError"


def test_api_has_the_time_that_it_takes(page: Page) -> None:
    """It ends a request by itself, with an answer that says more."""
    page.run("me")
    assert page.timeouts
    assert min(page.timeouts) > 1000 * Settings.model_fields["request_timeout"].default


def test_request_is_given_up_by_its_page(page: Page) -> None:
    assert page.run("left") == "AbortError"


def generate_with(programs: Path) -> subprocess.CompletedProcess[str]:
    """`make client` on a machine that has these programs alone."""
    return subprocess.run(
        [sys.executable, "-m", "development.generate_client"],
        cwd=PROJECT,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_node(tmp_path: Path) -> None:
    """And with one that is too old."""
    result = generate_with(tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"Node\.js 20\.19, 22\.12 or newer .*\n", result.stderr)
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v16.20.2\n")
        (tmp_path / name).chmod(0o755)
    result = generate_with(tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "v16.20.2" in result.stderr
