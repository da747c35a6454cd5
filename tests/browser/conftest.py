"""One `make run` and one Chromium for all of these tests; a browser profile and users of their own for each."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from development import frontend
from development.node import ToolsMissingError
from tests.browser.application import Application
from tests.browser.visitor import PICTURES, Visitor

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    # Clerk's scripts keep quiet where they see a robot: nothing may leave the machine from a person's browser either.
    "--disable-blink-features=AutomationControlled",
    # What would leave it in spite of that fails here, and is found by its test, not by who owns the name.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]

Meet = Callable[..., Visitor]
failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[failed] = True
    return report


# Of the package: Playwright keeps an event loop running, and later tests may want one of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser is here: one of {', '.join(PROGRAMS)} is needed")
    # Chromium's sandbox does not run as root.
    options = OPTIONS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def application(browser: Browser) -> Iterator[Application]:  # noqa: ARG001 - without one nothing need be built
    try:
        frontend.make_page(with_bundles=True)
    except ToolsMissingError as error:
        pytest.skip(f"the page cannot be built here: {error}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("failed-*"):
        old.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        application = Application(Path(folder) / "local")
        yield application
        application.stop()


@pytest.fixture
def meet(browser: Browser, application: Application, request: pytest.FixtureRequest) -> Iterator[Meet]:
    """Another visitor: `meet(viewport=PHONE)`. At the end: no request left the machine, and the console was quiet."""
    visitors: list[Visitor] = []

    def come(**options: Any) -> Visitor:
        visitors.append(Visitor(browser, application, **options))
        return visitors[-1]

    yield come
    is_failed = failed in request.node.stash
    name = re.sub(r"\W+", "-", request.node.name)
    for number, visitor in enumerate(visitors):
        visitor.leave(f"{name}-{number}" if is_failed else None)
    if is_failed:
        request.node.add_report_section("teardown", "log of the API", application.complaints())
        said = [text for visitor in visitors for text in visitor.complaints]
        request.node.add_report_section("teardown", "console of the browser", "\n".join(said))
    for visitor in visitors:
        assert visitor.requests, "nothing was recorded"
        assert visitor.strangers() == []
        assert is_failed or visitor.unexpected() == []


@pytest.fixture
def visitor(meet: Meet) -> Visitor:
    return meet()
