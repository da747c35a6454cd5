"""Signing up on Clerk's own screens, up to the row that its webhook made."""

import re
import secrets
import time

from playwright.sync_api import Page, Route, expect

from tests.browser.application import PASSWORD, Application
from tests.browser.visitor import CODE, Visitor, complaint


def fill_in(page: Page, address: str) -> None:
    """The two steps of Clerk's form, from its first screen on."""
    page.get_by_role("link", name="Sign up").click()
    expect(page.get_by_role("heading", name="Create your account")).to_be_visible()
    page.get_by_label("Email address").fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_role("heading", name="Verify your email")).to_be_visible()


def test_by_form_and_code(visitor: Visitor, application: Application) -> None:
    address = f"{secrets.token_hex(6)}@example.com"
    row = "SELECT * FROM users WHERE email = %s"

    def once_the_row_is_there(route: Route) -> None:
        """Else the page's first request may be faster than the webhook, and makes the row itself."""
        give_up = time.monotonic() + 10
        while not application.sql.rows(row, address) and time.monotonic() < give_up:
            time.sleep(0.02)
        route.continue_()

    page = visitor.page
    page.route(re.compile("/(auth|api)/"), once_the_row_is_there)
    visitor.open()
    expect(page.get_by_label("Email address")).to_be_visible()
    visitor.picture("sign-in")
    fill_in(page, address)
    visitor.picture("sign-up-code")
    page.keyboard.type(CODE)

    shown = page.get_by_test_id("user-id")
    expect(shown).to_be_visible()
    user = application.sql.row(row, address)
    expect(shown).to_have_text(str(user["user_id"]))
    expect(page.get_by_label("Database row")).to_contain_text(f"{address} verified")
    assert user["provisioned_by"] == "webhook"
    assert user["email_verified"]
    events = application.sql.rows(
        "SELECT type, status FROM webhook_events WHERE subject_id = %s", user["clerk_user_id"]
    )
    assert {"type": "user.created", "status": "applied"} in events
    assert visitor.call("/auth/me", visitor.token()) == (200, None)
    page.unroute_all()
    visitor.picture("account")


def test_wrong_code(visitor: Visitor, application: Application) -> None:
    address = f"{secrets.token_hex(6)}@example.com"
    visitor.expect_refusals("422.*attempt_verification")
    page = visitor.open()
    fill_in(page, address)
    page.keyboard.type("111111")
    expect(complaint(page)).to_contain_text("Incorrect code")
    assert application.sql.rows("SELECT FROM users WHERE email = %s", address) == []
    page.get_by_label("Enter verification code").fill(CODE)
    expect(page.get_by_test_id("user-id")).to_be_visible()


def test_address_that_is_taken(visitor: Visitor, application: Application) -> None:
    visitor.expect_refusals("422.*sign_ups")
    user = application.add_user()
    page = visitor.open("/?sign-up")
    page.get_by_label("Email address").fill(user["email_addresses"][0]["email_address"])
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(complaint(page)).to_contain_text("That email address is taken")
