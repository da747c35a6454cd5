"""The keyboard alone: wherever a page or a control goes away, the focus is at a place to go on from."""

from playwright.sync_api import expect

from tests.browser.visitor import Visitor, tab_to


def test_focus_from_page_to_page_and_when_its_control_is_gone(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.page
    main = page.get_by_role("main")
    tab_to(page, "API keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Create key")).to_be_visible()
    expect(main).to_be_focused()
    tab_to(page, "Name")
    page.keyboard.type("laptop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Copy “laptop” now")).to_be_focused()
    tab_to(page, "I have stored it")
    page.keyboard.press("Enter")
    expect(main).to_be_focused()
    tab_to(page, "Revoke")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Revoke: laptop")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_text("revoked", exact=True)).to_be_visible()
    expect(page.get_by_role("list", name="API keys")).to_be_focused()
