"""What users change of themselves: at Clerk it comes by webhook, here it is written at once."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.application import Application, email_of
from tests.browser.visitor import CODE, Visitor


def open_profile(page: Page) -> Locator:
    """Clerk's own profile, a dialog over the page."""
    page.get_by_role("button", name="Open user menu").click()
    page.get_by_role("button", name="Manage account").click()
    dialog = page.get_by_role("dialog").last
    expect(dialog.get_by_role("heading", name="Profile details")).to_be_visible()
    return dialog


def row_of(application: Application, user: dict[str, Any]) -> dict[str, Any]:
    return application.sql.user(user["id"])


def test_name_and_address_changed_at_clerk_arrive_in_the_row(visitor: Visitor, application: Application) -> None:
    user = visitor.sign_in(first_name="Ada")
    page = visitor.page
    profile = open_profile(page)
    profile.get_by_role("button", name="Update profile").click()
    profile.get_by_label("First name").fill("Augusta")
    profile.get_by_label("Last name").fill("King")
    profile.get_by_role("button", name="Save").click()
    # The page under the dialog follows without a reload: inert, so only its text can be looked for.
    expect(page.locator(".ticket")).to_contain_text("Augusta King")
    visitor.picture("clerk-profile")
    row = row_of(application, user)
    assert (row["first_name"], row["last_name"]) == ("Augusta", "King")
    address = f"new-{email_of(user)}"
    profile.get_by_role("button", name="Add email address").click()
    profile.get_by_label("Email address").fill(address)
    profile.get_by_role("button", name="Add", exact=True).click()
    profile.get_by_label("Enter verification code").fill(CODE)
    expect(profile.get_by_text(address, exact=True)).to_be_visible()
    profile.get_by_role("menuitem", name="Open menu").last.click()
    page.get_by_role("menuitem", name="Set as primary").click()
    expect(page.locator(".ticket")).to_contain_text(f"{address} verified")
    row = row_of(application, user)
    assert (row["email"], row["email_verified"]) == (address, True)
    profile.get_by_role("button", name="Close modal").click()
    newest = page.get_by_label("Newest first").get_by_role("listitem").first
    expect(newest).to_contain_text("user.updated")
    expect(newest).to_contain_text("row written")


def test_bio_is_saved_or_refused(visitor: Visitor, application: Application) -> None:
    visitor.expect_refusals("422.*/api/me")
    user = visitor.sign_in()
    page = visitor.page
    text, site = "I write programs for machines that are not built yet.", "https://example.com/ada"
    page.get_by_label("Bio").fill(text)
    page.get_by_label("Website").fill(site)
    page.get_by_role("button", name="Save profile").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    row = row_of(application, user)
    assert (row["bio"], row["website"]) == (text, site)
    page.reload()
    expect(page.get_by_label("Bio")).to_have_value(text)

    page.get_by_label("Bio").fill("x" * 5_000)
    page.get_by_role("button", name="Save profile").click()
    expect(page.get_by_role("alert")).to_contain_text("validation")
    expect(page.get_by_label("Bio")).to_have_attribute("aria-invalid", "true")
    assert row_of(application, user)["bio"] == text


def test_deleted_account_leaves_an_erased_row(visitor: Visitor, application: Application) -> None:
    visitor.expect_refusals("40[14].*__clerk", "401.*/(auth/me|api/me)")
    user = visitor.sign_in(first_name="Ada")
    token = visitor.token()
    profile = open_profile(visitor.page)
    profile.get_by_role("button", name="Security").click()
    profile.get_by_role("button", name="Delete account").click()
    profile.get_by_placeholder("Delete account").fill("Delete account")
    profile.get_by_role("button", name="Delete account").last.click()
    expect(visitor.page.get_by_role("heading", name="Sign in to")).to_be_visible()
    visitor.wait_for_webhooks()
    row = row_of(application, user)
    assert (row["email"], row["first_name"], row["is_active"]) == (None, None, False)
    assert row["deleted_at"] is not None
    assert visitor.call("/auth/me", token) == (401, "user-deleted")
