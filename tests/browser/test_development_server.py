"""`npm run dev` beside a `make run`: the page as its developer changes it, on Vite's port."""

import os
import signal
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from development import node
from tests.browser.application import Application
from tests.browser.conftest import Meet

ORIGIN = "http://localhost:5173"


@pytest.fixture
def development_server(application: Application) -> Iterator[None]:
    process = subprocess.Popen(
        ("npm", "run", "dev"),
        cwd=node.FRONTEND,
        env=os.environ | {"PORT": str(urlsplit(application.url).port), "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    try:
        assert process.stdout is not None
        assert any(ORIGIN in line for line in process.stdout), "it ended"
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


@pytest.mark.usefixtures("development_server")
def test_sign_in(meet: Meet, application: Application) -> None:
    visitor = meet(base_url=ORIGIN)
    user = visitor.sign_in()
    row = application.sql.user(user["id"])
    expect(visitor.page.get_by_test_id("user-id")).to_have_text(str(row["user_id"]))
