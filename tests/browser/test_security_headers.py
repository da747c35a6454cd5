"""The security headers in a real browser: its console is quiet on our pages, and other sites get only what CORS gives.

That Clerk's own scripts work under the page's policy is what all tests beside this one show.
"""

from playwright.sync_api import Page, expect

from tests.browser.application import Application
from tests.browser.test_other_origins import ORIGIN
from tests.browser.visitor import Visitor

ASK = "([url, mode]) => fetch(url, { mode }).then(answer => answer.type, error => error.name)"


def elsewhere(visitor: Visitor, content: str) -> Page:
    """A page on another origin, one that the API lets call it."""
    visitor.context.route(f"{ORIGIN}/", lambda route: route.fulfill(body=content, content_type="text/html"))
    visitor.context.route(f"{ORIGIN}/favicon.ico", lambda route: route.fulfill(status=204))
    visitor.context.grant_permissions(["local-network-access"], origin=ORIGIN)
    return visitor.open(f"{ORIGIN}/")


def test_docs_are_read_and_tried_out(visitor: Visitor) -> None:
    page = visitor.open("/docs")
    operation = page.locator(".opblock", has_text="/healthz")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table").get_by_role("cell", name="200", exact=True)).to_be_visible()


def test_another_origin_calls_the_api_and_embeds_nothing(visitor: Visitor, application: Application) -> None:
    page = elsewhere(visitor, "<!doctype html><title>Elsewhere</title>")
    for path in ("/healthz", "/openapi.json", "/config.json"):
        assert page.evaluate(ASK, [application.url + path, "cors"]) == "cors", path
        assert page.evaluate(ASK, [application.url + path, "no-cors"]) == "TypeError", path
    visitor.expect_refusals("ERR_BLOCKED_BY_RESPONSE.NotSameOrigin")


def test_nobody_frames_a_page(visitor: Visitor, application: Application) -> None:
    for path in ("/", "/docs", "/openapi.json"):
        page = elsewhere(visitor, f'<!doctype html><iframe src="{application.url}{path}"></iframe>')
        framed = page.frames[1]
        framed.wait_for_load_state()
        assert framed.url == "chrome-error://chromewebdata/", path
    visitor.expect_refusals("frame-ancestors", "X-Frame-Options")
