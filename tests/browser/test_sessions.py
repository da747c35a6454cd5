"""The life of a session: it outlives a reload and its tokens, and ends everywhere at once."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.application import Application
from tests.browser.conftest import Meet
from tests.browser.visitor import Visitor

# A token that was refused, and Clerk's own answer to who is signed out.
ENDED = ("401.*/(auth/me|api/me)", "40[14].*__clerk")


def test_outlives_a_reload_and_sign_out_refuses_the_old_token_at_once(visitor: Visitor) -> None:
    visitor.expect_refusals(*ENDED)
    visitor.sign_in()
    page, shown = visitor.page, visitor.page.get_by_test_id("user-id")
    number = shown.inner_text()
    page.reload()
    expect(shown).to_have_text(number)
    token = visitor.token()
    assert visitor.call("/auth/me", token) == (200, None)
    page.get_by_role("button", name="Open user menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to")).to_be_visible()
    visitor.wait_for_webhooks()
    assert visitor.call("/auth/me", token) == (401, "session-revoked")


def test_two_tabs(visitor: Visitor) -> None:
    visitor.expect_refusals(*ENDED)
    visitor.sign_in()
    second = visitor.open(page=visitor.context.new_page())
    expect(second.get_by_test_id("user-id")).to_be_visible()
    visitor.page.bring_to_front()
    visitor.page.get_by_role("link", name="Sessions").click()
    visitor.page.get_by_role("button", name="Sign out").click()
    expect(visitor.page.get_by_role("heading", name="Sign in to")).to_be_visible()
    second.bring_to_front()
    expect(second.get_by_role("heading", name="Sign in to")).to_be_visible()


def test_clerk_forgot_this_browser(visitor: Visitor, application: Application) -> None:
    """As after `reset` of the emulator, which would take the other tests' users too."""
    visitor.expect_refusals(*ENDED)
    user = visitor.sign_in()
    page = visitor.page
    known = next(one["value"] for one in visitor.context.cookies() if one["name"] == "__clerk_db_jwt")
    page.route(f"**/*{known}*", lambda route: route.continue_(url=route.request.url.replace(known, "dvb_unknown")))
    application.clerk.call("DELETE", f"/v1/users/{user['id']}")
    expect(page.get_by_role("alert")).to_contain_text("This account was deleted")
    expect(page.get_by_label("Email address")).to_be_visible()


def test_sign_out_that_does_not_reach_clerk(visitor: Visitor) -> None:
    """The user menu is Clerk's own, and does not say that it failed."""
    visitor.expect_refusals("ERR_FAILED.*/v1/client/sessions", "uncaught: ClerkJS: Network error")
    visitor.sign_in()
    page = visitor.page
    page.route("**/v1/client/sessions?*", lambda route: route.abort())
    page.get_by_role("button", name="Open user menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("alert")).to_contain_text("Not signed out yet")
    page.unroute("**/v1/client/sessions?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_label("Email address")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_list_that_fails_and_end_at_the_backend(visitor: Visitor) -> None:
    visitor.expect_refusals("503.*/v1/(me/sessions/active|client)", *ENDED)
    visitor.sign_in()
    page = visitor.page

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"errors": []})

    asked = re.compile(r"/v1/(me/sessions/active|client)\?")
    page.route(asked, refuse)
    page.get_by_role("link", name="Sessions").click()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    page.unroute(asked)
    again.click()
    listed = page.get_by_label("Active sessions").get_by_role("listitem")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text("this one")

    expect(page.get_by_text("Clerk was asked just now")).to_be_visible()
    visitor.picture("sessions")
    page.get_by_role("button", name="End at the backend").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("alert")).to_contain_text("session-revoked")
    expect(page.get_by_role("heading", name="Sign in to")).to_be_visible()


def test_two_devices(meet: Meet) -> None:
    """One of them sees the other, and ends its session."""
    laptop, phone = meet(), meet()
    phone.expect_refusals(*ENDED)
    user = laptop.sign_in()
    phone.sign_in(user)
    token = phone.token()
    page = laptop.page
    page.get_by_role("link", name="Sessions").click()
    expect(page.get_by_label("Active sessions").get_by_role("listitem")).to_have_count(2)
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_label("Active sessions").get_by_role("listitem")).to_have_count(1)
    laptop.wait_for_webhooks()
    assert phone.call("/auth/me", token) == (401, "session-revoked")
    expect(phone.page.get_by_role("heading", name="Sign in to")).to_be_visible()
    assert laptop.call("/auth/me", laptop.token()) == (200, None)


@pytest.mark.slow
def test_tokens_are_renewed(visitor: Visitor) -> None:
    """A token lives for a minute. Longer than that: nobody touches the page, and it still gets in."""
    visitor.sign_in()
    first = visitor.token()
    visitor.page.wait_for_timeout(65_000)
    second = visitor.token()
    assert second != first
    assert visitor.call("/auth/me", first) == (401, "token-expired")
    assert visitor.call("/auth/me", second) == (200, None)
    visitor.page.get_by_role("link", name="Usage").click()
    expect(visitor.page.get_by_role("meter").first).to_be_visible()
