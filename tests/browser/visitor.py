"""Somebody in front of a browser, and all that the browser did meanwhile."""

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route, expect

from config import PROJECT
from tests.browser.application import PASSWORD, Application, email_of

PICTURES = PROJECT / ".local" / "screenshots"
PHONE = {"width": 390, "height": 844}
ORDINARY = {
    "viewport": {"width": 1280, "height": 900},
    "locale": "en-GB",
    "timezone_id": "UTC",
    "reduced_motion": "reduce",  # drawing animations without a graphics card takes a sixth of the time
}
CODE = "424242"
# The text and all that can be pressed must fit: nobody scrolls sideways.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
WAIT_MS = 20_000  # two cores run the other tests at the same time
# Clerk's own remark on every instance that is no production one.
KNOWN_WARNING = re.compile("Clerk has been loaded with development keys")

expect.set_options(timeout=WAIT_MS)


class Visitor:
    """A browser profile of its own: cookies, storage, pages."""

    def __init__(self, browser: Browser, application: Application, **options: Any) -> None:
        self.application = application
        self.context = browser.new_context(**ORDINARY | {"base_url": application.url} | options)
        self.context.set_default_timeout(WAIT_MS)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._expected: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("console", self._hear)
        self.context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        self.context.on("page", self._watch_sockets)

    @property
    def page(self) -> Page:
        """The first page of this profile."""
        return self.context.pages[0] if self.context.pages else self.context.new_page()

    def open(self, path: str = "/", page: Page | None = None) -> Page:
        page = page or self.page
        page.goto(path)
        return page

    def sign_in(self, user: dict[str, Any] | None = None, *, password: str = PASSWORD, **fields: Any) -> dict[str, Any]:
        """Come in as a new user or this one, without the form, which is slower. The user as Clerk has it."""
        user = user or self.application.add_user(**fields)
        page = self.open()
        expect(page.get_by_label("Email address")).to_be_visible()
        page.evaluate(
            """async ([identifier, password]) => {
                const attempt = await Clerk.client.signIn.create({ identifier, password });
                await Clerk.setActive({ session: attempt.createdSessionId });
            }""",
            [email_of(user), password],
        )
        expect(page.get_by_test_id("user-id")).to_be_visible()
        return user

    def token(self) -> str:
        token: str = self.page.evaluate("Clerk.session.getToken()")
        return token

    def call(self, path: str, token: str) -> tuple[int, str | None]:
        """What the API answers to a token, from outside of the browser: status and code of the problem."""
        answer = self.context.request.get(path, headers={"Authorization": f"Bearer {token}"})
        return answer.status, answer.json().get("code")

    def send(self, method: str, path: str, **body: Any) -> Any:
        """A write as this user, past the page, as from another device: the answer's JSON."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        answer = self.context.request.fetch(path, method=method, headers=headers, data=body)
        assert answer.ok, answer.text()
        return answer.json() if answer.body() else None

    def wait_for_webhooks(self) -> None:
        """Until all that Clerk had to tell was told."""
        self.application.clerk.wait_until_all_is_told()

    def expect_refusals(self, *patterns: str) -> None:
        """The browser notes every answer from 400 on as an error: which ones belong to this test."""
        self._expected += patterns

    def picture(self, name: str, page: Page | None = None) -> None:
        (page or self.page).screenshot(path=PICTURES / f"{name}.png", animations="disabled")

    def leave(self, failed_test: str | None) -> None:
        """End the profile. Of a failure keep what the pages showed; a trace of each test would take a tenth of the
        time.
        """
        if failed_test is not None:
            for number, page in enumerate(self.context.pages):
                page.screenshot(path=PICTURES / f"failed-{failed_test}-{number}.png", full_page=True)
        self.context.close()

    def strangers(self) -> list[str]:
        """The requests that left the machine."""
        return [url for url in self.requests if not _is_local(url)]

    def unexpected(self) -> list[str]:
        """What the console said that the test did not announce."""
        return [text for text in self.complaints if not any(re.search(known, text) for known in self._expected)]

    def _watch_sockets(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.requests.append(socket.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not KNOWN_WARNING.search(message.text):
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")


def lose_the_answer(route: Route) -> None:
    """For `page.route()`: the server has done what was asked, and nobody hears of it."""
    route.fetch()
    route.abort()


def complaint(page: Page) -> Locator:
    """What Clerk's form says of a field."""
    return page.get_by_test_id("form-feedback-error")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control with this name or text has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.evaluate("[document.activeElement.labels?.[0]?.innerText, document.activeElement.innerText]")
        if name in focused:
            return
    raise AssertionError(f"{name} is not reached by keyboard")


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"data", "blob", "about"} or parts.hostname in {"localhost", "127.0.0.1"}
