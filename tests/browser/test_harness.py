"""The harness itself: would it notice?"""

from playwright.sync_api import Browser

from tests.browser.application import Application
from tests.browser.visitor import Visitor


def test_requests_to_elsewhere_and_errors_are_noticed(browser: Browser, application: Application) -> None:
    visitor = Visitor(browser, application)
    page = visitor.open("about:blank")  # where no policy keeps a request from being made
    page.evaluate("fetch('https://example.com/telemetry').catch(() => console.error('it failed'))")
    page.evaluate("void new WebSocket('wss://example.org/')")
    page.evaluate("setTimeout(() => { throw new Error('nobody catches this') })")
    page.wait_for_timeout(200)
    visitor.expect_refusals("ERR_NAME_NOT_RESOLVED", "WebSocket")
    assert visitor.strangers() == ["https://example.com/telemetry", "wss://example.org/"]
    assert "it failed" in visitor.unexpected()[0]
    assert "nobody catches this" in visitor.unexpected()[1]
    assert not page.evaluate("navigator.webdriver")  # Clerk's scripts send less where they see a robot
    visitor.leave(None)
