"""What is typed and not saved yet stays, whatever arrives meanwhile."""

from playwright.sync_api import expect

from tests.browser.application import Application
from tests.browser.visitor import Visitor


def test_row_is_read_again_while_somebody_types(visitor: Visitor, application: Application) -> None:
    user = visitor.sign_in(first_name="Ada")
    page = visitor.page
    bio = page.get_by_label("Bio")
    bio.press_sequentially("I write prog")
    visitor.send("PATCH", "/api/me", bio="Of another device", website="https://example.com/ada")
    application.clerk.call("PATCH", f"/v1/users/{user['id']}", json={"first_name": "Augusta"})
    expect(page.get_by_label("Database row")).to_contain_text("Augusta")
    expect(page.get_by_label("Website")).to_have_value("https://example.com/ada")
    expect(bio).to_be_focused()
    page.keyboard.type("rams.")
    expect(bio).to_have_value("I write programs.")


def test_profile_saves_only_what_was_changed(visitor: Visitor, application: Application) -> None:
    user = visitor.sign_in()
    visitor.wait_for_webhooks()  # the page reads the row again after each
    page = visitor.open()
    bio, save = page.get_by_label("Bio"), page.get_by_role("button", name="Save profile")
    page.get_by_label("Website").fill("https://example.com/ada")
    visitor.send("PATCH", "/api/me", bio="Of another tab", social_links={"github": "https://github.com/ada"})
    expect(bio).to_have_value("")
    save.click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    row = application.sql.user(user["id"])
    assert (row["bio"], row["website"], row["social_links"]) == (
        "Of another tab",
        "https://example.com/ada",
        {"github": "https://github.com/ada"},
    )
    expect(bio).to_have_value("Of another tab")
    save.click()
    expect(page.get_by_text("Nothing to save.")).to_be_visible()
    assert len([url for url in visitor.requests if url.endswith("/api/me")]) == 1
