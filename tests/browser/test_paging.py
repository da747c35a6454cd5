"""Lists that are longer than a page, and answers that come in another order than they were asked for."""

import time

from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.application import Application
from tests.browser.visitor import WAIT_MS, Visitor


class Late:
    """The server's answer to the next request for a URL, held back. Those after it are not touched."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._held: list[tuple[Route, APIResponse]] = []
        page.route(url, lambda route: self._held.append((route, route.fetch())), times=1)

    def wait(self) -> None:
        """Until the server has answered."""
        give_up = time.monotonic() + WAIT_MS / 1000
        while not self._held and time.monotonic() < give_up:
            self._page.wait_for_timeout(10)

    def let_go(self) -> None:
        self.wait()
        ((route, answer),) = self._held
        route.fulfill(response=answer)


def test_pages_of_keys(visitor: Visitor, application: Application) -> None:
    application.subscribe(visitor.sign_in(), "pro")
    for number in range(1, 13):
        visitor.send("POST", "/api/keys", name=f"Number {number}", scopes=["profile:read"])
    page = visitor.page
    rows = page.get_by_label("API keys", exact=True).get_by_role("listitem")
    listed = rows.get_by_role("strong")
    pager = page.get_by_role("navigation", name="Pages")
    page.get_by_role("link", name="API keys").click()
    newest = [f"Number {number}" for number in range(12, 2, -1)]
    expect(listed).to_have_text(newest)

    late = Late(page, "**/api/keys?*cursor*")
    pager.get_by_role("button", name="Next").click()
    expect(pager).to_have_attribute("aria-busy", "true")
    expect(listed).to_have_text(newest)
    expect(pager.get_by_role("button", disabled=True)).to_have_text(["Previous", "Next"])
    late.let_go()
    expect(listed).to_have_text(["Number 2", "Number 1"])
    expect(pager.get_by_role("status")).to_have_text("Page 2")
    expect(pager.get_by_role("button", name="Next", disabled=True)).to_be_focused()
    page.get_by_role("button", name="Revoke: Number 1,").click()
    page.get_by_role("button", name="Yes").click()
    expect(rows.last).to_contain_text("revoked")
    expect(listed).to_have_text(["Number 2", "Number 1"])
    pager.get_by_role("button", name="Previous").click()
    expect(listed).to_have_text(newest)

    pager.get_by_role("button", name="Next").click()
    expect(listed).to_have_count(2)
    page.get_by_label("Name").fill("Number 13")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_label("New API key")).to_be_visible()
    pager.get_by_role("button", name="Previous").click()
    expect(listed).to_have_text(["Number 13", *newest[:-1]])


def test_late_answer_does_not_replace_a_newer_one(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.page
    page.get_by_role("link", name="Usage").click()
    meter = page.get_by_role("meter", name="Tokens used this month")
    expect(meter).to_have_attribute("aria-valuenow", "0")
    late = Late(page, "**/api/tokens")
    spend = page.get_by_role("button", name="Spend tokens")
    spend.click()
    expect(page.get_by_text("Spent 250. 9,750 left.")).to_be_visible()
    late.wait()
    spend.click()
    expect(meter).to_have_attribute("aria-valuenow", "500")
    late.let_go()
    page.evaluate("fetch('/healthz').then((answer) => answer.text())")
    assert meter.get_attribute("aria-valuenow") == "500"
