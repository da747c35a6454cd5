"""Signing in on Clerk's own screens: by password, by code, with a new password, by keyboard."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.application import PASSWORD, Application, email_of
from tests.browser.conftest import Meet
from tests.browser.visitor import CODE, Visitor, complaint, tab_to

NEW_PASSWORD = "another good long password"


@pytest.fixture
def user(application: Application) -> dict[str, Any]:
    return application.add_user()


def give_address(visitor: Visitor, user: dict[str, Any]) -> Page:
    """Clerk's first screen; the second one asks for the password."""
    page = visitor.open()
    page.get_by_label("Email address").fill(email_of(user))
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_role("heading", name="Enter your password")).to_be_visible()
    return page


def expect_row(page: Page, application: Application, user: dict[str, Any]) -> None:
    expect(page.get_by_test_id("user-id")).to_have_text(str(application.sql.user(user["id"])["user_id"]))


def test_wrong_address_and_password_then_the_right_ones(
    visitor: Visitor, application: Application, user: dict[str, Any]
) -> None:
    visitor.expect_refusals("422.*attempt_first_factor", "422.*sign_ins")
    page = visitor.open()
    go_on = page.get_by_role("button", name="Continue", exact=True)
    page.get_by_label("Email address").fill("nobody@example.com")
    go_on.click()
    expect(complaint(page)).to_contain_text("Couldn't find your account")
    page.get_by_label("Email address").fill(email_of(user))
    go_on.click()
    page.get_by_label("Password", exact=True).fill("not my password")
    go_on.click()
    expect(complaint(page)).to_contain_text("Password is incorrect")
    visitor.picture("wrong-password")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    go_on.click()
    expect_row(page, application, user)


def test_code_by_email(visitor: Visitor, application: Application, user: dict[str, Any]) -> None:
    page = give_address(visitor, user)
    page.get_by_role("link", name="Use another method").click()
    page.get_by_role("button", name=f"Email code to {email_of(user)}").click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    page.keyboard.type(CODE)
    expect_row(page, application, user)


def test_forgotten_password(visitor: Visitor, meet: Meet, application: Application, user: dict[str, Any]) -> None:
    page = give_address(visitor, user)
    page.get_by_role("link", name="Forgot password?").click()
    page.get_by_role("button", name="Reset your password").click()
    expect(page.get_by_role("heading", name="Reset password")).to_be_visible()
    page.keyboard.type(CODE)
    expect(page.get_by_role("heading", name="Set new password")).to_be_visible()
    page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("Confirm password", exact=True).fill(NEW_PASSWORD)
    visitor.picture("new-password")
    # By keyboard: "Passwords match" appears meanwhile and moves the button away from under a pointer.
    reset = page.get_by_role("button", name="Reset Password", exact=True)
    expect(reset).to_be_enabled()
    reset.press("Enter")
    expect_row(page, application, user)
    meet().sign_in(user, password=NEW_PASSWORD)


def test_keyboard_alone(visitor: Visitor, application: Application, user: dict[str, Any]) -> None:
    page = visitor.open()
    expect(page.get_by_label("Email address")).to_be_visible()
    tab_to(page, "Email address")
    page.keyboard.type(email_of(user))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Enter your password")).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect_row(page, application, user)
    tab_to(page, "API keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
