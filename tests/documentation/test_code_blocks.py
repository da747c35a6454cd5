"""Every code block of the documentation runs, is type-checked or is compared with a real response, as it stands."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask

from backend.access.policy import Policy, policies_of
from backend.models.roles_plans_scopes import Scope
from development.node import FRONTEND, PACKAGES, ToolsMissingError, install, run_tool
from tests.documentation.pages import BLOCKS, PAGES, blocks, name_of
from tests.emulator import node_sdk
from tests.emulator.harness import EmulatorProcess
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server, clean_environment

EMULATOR = "clerk_emulator/README.md"
# tests/campaigns runs the examples of docs/campaigns.md one after the other. A `text` is a drawing.
TESTED = {
    "sh": "commands exist",
    "cron": "commands exist",
    "sql": "run",
    "ini": "applied",
    "python": "run",
    "ts": "type-checked",
    "tsx": "type-checked",
    "js": "run",
    "json": "compared",
    "yaml": "read",  # tests/metrics has Prometheus's own tool check it
    "text": "no code",
}
# tests/inngest runs both blocks of its page.
RUN_WITH_NODE = {"docs/campaigns.md", "docs/inngest.md", EMULATOR} & {name_of(page) for page in PAGES}
USUAL_EMULATOR = "http://localhost:5555"

# Shown to whom: the responses that the pages show as JSON, in their order.
Ask = Callable[[Server, Instance], Any]
SHOWN: dict[str, list[Ask]] = {
    "docs/errors.md": [lambda server, clerk: server.get("/auth/me", clerk.token(iat=1, nbf=1, exp=61)).json()],
    "docs/usage.md": [
        lambda server, clerk: server.get("/api/tokens", clerk.token(sub="user_1")).json(),
        lambda server, clerk: server.request(
            "POST", "/api/tokens/consume", clerk.token(sub="user_1"), json={"amount": 1_000_000}
        ).json(),
    ],
}


def test_every_language_is_tested() -> None:
    unknown = {(block.page, block.language) for block in BLOCKS if block.language not in TESTED}
    assert unknown == set(), "name the language, and test what is written in it"
    assert {block.page for block in blocks("js")} == RUN_WITH_NODE
    fences = sum(page.read_text().count("```") for page in PAGES)
    assert fences == 2 * len(BLOCKS), "a fence was not recognised"


class TestJson:
    def test_each_is_compared(self) -> None:
        shown = [block.page for block in blocks("json")]
        assert shown == [page for page, asked in SHOWN.items() for _ in asked]

    @pytest.mark.parametrize("page", SHOWN)
    def test_is_what_is_answered(self, page: str, server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002 - new users
        for block, ask in zip(blocks("json", page), SHOWN[page], strict=True):
            shown, answered = json.loads(block.text), ask(server, clerk)
            assert form(shown) == form(answered)
            for name in ("type", "title", "status", "code", "detail"):
                assert shown.get(name) == answered.get(name)


def form(value: object) -> object:
    """The names of the members, and which kinds of value they have."""
    if isinstance(value, dict):
        return {name: form(member) for name, member in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    return type(value)


class TestPython:
    def test_each_is_run(self) -> None:
        """By one of the tests below, which are made for these pages."""
        assert {block.page for block in blocks("python")} == {
            "README.md",
            "docs/access.md",
            "docs/inngest.md",
            "docs/make-it-yours.md",
            "docs/testing.md",
            EMULATOR,
        }

    def test_views_of_the_page_on_access(self, app: Flask, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002 - a new user
        (block,) = blocks("python", "docs/access.md")
        names: dict[str, Any] = {"__name__": "finance"}
        exec(block.text, names)
        blueprint: Blueprint = names["blueprint"]
        app.register_blueprint(blueprint)
        policies_of(app)[blueprint.name] = Policy(read=Scope.PROFILE_READ, write=Scope.PROFILE_WRITE)
        client, headers = app.test_client(), {"Authorization": f"Bearer {clerk.token(sub='user_1')}"}
        report = client.get("/reports", headers=headers)
        assert (report.status_code, report.get_json()) == (200, {"by": "clerk", "is_manager": False, "user": 1})
        # Nobody says whether the session is live: this application has no key for Clerk's Backend API.
        payout = client.post("/payout", headers=headers)
        assert (payout.status_code, payout.get_json()["code"]) == (503, "clerk-unavailable")

    def test_view_for_an_organization(self, app: Flask, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002 - a new user
        """Of the others some are added to a copy by tests/development/test_new_resource.py, and those about events are
        run by tests/outbox/test_documentation.py.
        """
        (block,) = (each for each in blocks("python", "docs/make-it-yours.md") if "org:reports:delete" in each.text)
        names: dict[str, Any] = {"__name__": "reports"}
        exec(block.text, names)
        app.register_blueprint(names["blueprint"], url_prefix="/reports")
        policies_of(app)["reports"] = Policy()
        token = clerk.token(sub="user_1", v=1, org_id="org_1", org_role="org:member", org_permissions=[])
        answer = app.test_client().delete("/reports", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, "org:reports:delete" in answer.get_json()["detail"]) == (403, True)

    def test_sdk(self, emulator: EmulatorProcess) -> None:
        (block,) = blocks("python", EMULATOR)
        result = subprocess.run(
            [sys.executable, "-c", block.text.replace(USUAL_EMULATOR, emulator.url)],
            env=clean_environment(**emulator.keys),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("[")


class TestTypeScript:
    def test_types(self, tmp_path: Path) -> None:
        """In a copy of frontend/src, where the blocks can import what they would there."""
        try:
            install()
        except ToolsMissingError as error:
            pytest.skip(str(error))
        shutil.copytree(FRONTEND / "src", tmp_path / "src")
        (tmp_path / "node_modules").symlink_to(PACKAGES)
        rules = json.loads((FRONTEND / "tsconfig.json").read_text())
        (tmp_path / "tsconfig.json").write_text(json.dumps(rules | {"include": ["src"]}))
        written = [*blocks("ts"), *blocks("tsx")]
        assert len(written) >= 3
        for number, block in enumerate(written):
            (tmp_path / "src" / f"block_{number}.{block.language}").write_text(block.text)
        run_tool("tsc", "--project", str(tmp_path))


class TestJavaScript:
    def test_sdk(self, emulator: EmulatorProcess) -> None:
        try:
            node_sdk.install()
        except ToolsMissingError as error:
            pytest.skip(str(error))
        for block in blocks("js", EMULATOR):
            result = subprocess.run(
                ["node", "--input-type=module", "-"],
                cwd=node_sdk.FOLDER,
                env=node_sdk.environment(emulator),
                input=block.text.replace(USUAL_EMULATOR, emulator.url),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert result.returncode == 0, result.stderr
            assert result.stdout.startswith("[")
