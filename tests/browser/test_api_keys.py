"""An API key that is replaced."""

from playwright.sync_api import expect

from tests.browser.visitor import Visitor


def test_rotated_key_works_on_and_says_so(visitor: Visitor) -> None:
    visitor.sign_in()
    old = visitor.send("POST", "/api/keys", name="laptop", scopes=["profile:read"])
    page = visitor.page
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("button", name=f"Rotate: laptop, …{old['last_four']}").click()
    expect(page.get_by_text("The old one works for up to one more day")).to_be_visible()
    page.get_by_role("button", name="Yes").click()
    new = page.get_by_label("New API key").input_value()
    rows = page.get_by_label("API keys", exact=True).get_by_role("listitem")
    (first, second) = (rows.filter(has_text=key[-4:]) for key in (new, old["key"]))
    expect(second).to_contain_text("replaced")
    expect(second).to_contain_text("until ")
    expect(second.get_by_role("button", name="Rotate")).to_have_count(0)
    expect(first.get_by_role("button", name="Rotate")).to_be_visible()
    assert visitor.call("/auth/me", old["key"]) == visitor.call("/auth/me", new) == (200, None)
    visitor.picture("keys-replaced")
