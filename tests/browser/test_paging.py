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


def test_pages_of_campaigns(visitor: Visitor, application: Application) -> None:
    user = visitor.sign_in()
    application.sql.rows(
        "UPDATE subscriptions s SET plan = 'pro' FROM users u WHERE u.user_id = s.user_id AND clerk_user_id = %s",
        user["id"],
    )
    for number in range(1, 13):
        visitor.send("POST", "/api/campaigns", name=f"Number {number}", channel="email")
    page = visitor.page
    listed = page.get_by_label("Campaigns", exact=True).get_by_role("listitem").get_by_role("link")
    pager = page.get_by_role("navigation", name="Pages")
    page.get_by_role("link", name="Campaigns").click()
    newest = [f"Number {number}" for number in range(12, 2, -1)]
    expect(listed).to_have_text(newest)

    late = Late(page, "**/api/campaigns?*cursor*")
    pager.get_by_role("button", name="Next").click()
    expect(pager).to_have_attribute("aria-busy", "true")
    expect(listed).to_have_text(newest)
    expect(pager.get_by_role("button", disabled=True)).to_have_text(["Previous", "Next"])
    late.let_go()
    expect(listed).to_have_text(["Number 2", "Number 1"])
    expect(pager.get_by_role("status")).to_have_text("Page 2")
    expect(pager.get_by_role("button", name="Next", disabled=True)).to_be_focused()
    page.get_by_role("button", name="Archive Number 1").click()
    expect(page.get_by_role("button", name="Restore Number 1")).to_be_visible()
    pager.get_by_role("button", name="Previous").click()
    expect(listed).to_have_text(newest)

    pager.get_by_role("button", name="Next").click()
    expect(listed).to_have_count(2)
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name").fill("Number 13")
    page.get_by_role("button", name="Create campaign").click()
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
