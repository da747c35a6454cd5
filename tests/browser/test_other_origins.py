"""The page on an origin of its own: from `npm run dev` beside a `make run`, and examples/vanilla, one file without a
build.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from config import PROJECT
from development import node
from tests.browser.application import PASSWORD, Application, email_of
from tests.browser.conftest import Meet
from tests.browser.visitor import Visitor

ORIGIN = "http://localhost:5173"  # Vite's, and where the file says it is to be served
FILE = PROJECT / "examples" / "vanilla" / "index.html"


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
def test_development_server(meet: Meet, application: Application) -> None:
    visitor = meet(base_url=ORIGIN)
    user = visitor.sign_in()
    row = application.sql.user(user["id"])
    expect(visitor.page.get_by_test_id("user-id")).to_have_text(str(row["user_id"]))


@pytest.fixture
def at_home(visitor: Visitor, application: Application) -> Visitor:
    """The file as it is, but for the ports that this run has in place of the usual ones."""
    page = FILE.read_text()
    for usual, ours in (("http://localhost:8000", application.url), ("http://localhost:5555", application.clerk.url)):
        assert usual in page
        page = page.replace(usual, ours)

    def serve(route: Route) -> None:
        route.fulfill(body=page, content_type="text/html")

    visitor.context.route(f"{ORIGIN}/", serve)
    # Nobody listens there, so the browser does not know that the page is as local as what it asks for.
    visitor.context.grant_permissions(["local-network-access"], origin=ORIGIN)
    visitor.context.route(f"{ORIGIN}/favicon.ico", lambda route: route.fulfill(status=204))
    return visitor


def test_vanilla_page_signs_in_and_calls_the_api(at_home: Visitor, application: Application) -> None:
    user = application.add_user(first_name="Ada")
    page = at_home.open(f"{ORIGIN}/")
    page.get_by_label("Email address").fill(email_of(user))
    # The page's style is for its own button: Clerk's keep theirs.
    expect(page.get_by_role("button", name="Continue", exact=True)).not_to_have_css("min-height", "40px")
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_role("status")).to_have_text(f"Signed in as {email_of(user)}.")
    expect(page.locator("#call")).to_have_css("min-height", "40px")
    page.get_by_role("button", name="Call /protected").click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text("Hello Ada")
    expect(answer).to_contain_text(page.evaluate("Clerk.session.id"))
    at_home.picture("vanilla")

    token = at_home.token()
    page.get_by_role("button", name="Open user menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Email address")).to_be_visible()
    at_home.wait_for_webhooks()
    assert at_home.call(f"{application.url}/auth/me", token) == (401, "session-revoked")
