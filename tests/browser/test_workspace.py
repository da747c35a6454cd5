"""What the page does with the API: keys, tokens, and what it says when the API refuses."""

from playwright.sync_api import expect

from tests.browser.visitor import Visitor


def test_api_key_is_shown_once_rotated_and_revoked(visitor: Visitor) -> None:
    visitor.sign_in()
    page = visitor.page
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    shown = page.get_by_label("New API key")
    old = shown.input_value()
    visitor.picture("api-key")
    assert visitor.call("/auth/me", old) == (200, None)
    page.get_by_role("button", name="I have stored it").click()
    page.reload()
    rows = page.get_by_label("API keys", exact=True).get_by_role("listitem")
    expect(rows).to_contain_text("laptop")
    expect(rows).to_contain_text(old[-4:])
    assert old not in page.content()

    page.get_by_role("button", name=f"Rotate: laptop, …{old[-4:]}").click()
    expect(page.get_by_text("The old one works for up to one more day")).to_be_visible()
    page.get_by_role("button", name="Yes").click()
    new = shown.input_value()
    (first, second) = (rows.filter(has_text=key[-4:]) for key in (new, old))
    expect(second).to_contain_text("replaced")
    expect(second).to_contain_text("until ")
    expect(second.get_by_role("button", name="Rotate")).to_have_count(0)
    expect(first.get_by_role("button", name="Rotate")).to_be_visible()
    assert visitor.call("/auth/me", old) == visitor.call("/auth/me", new) == (200, None)
    visitor.picture("keys-replaced")

    first.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Yes").click()
    expect(first).to_contain_text("revoked")
    assert visitor.call("/auth/me", new) == (401, "api-key-revoked")


def test_tokens_are_spent_up_to_the_quota(visitor: Visitor) -> None:
    visitor.expect_refusals("402.*consume")
    visitor.sign_in()
    page = visitor.page
    page.get_by_role("link", name="Usage").click()
    meter = page.get_by_role("meter", name="Tokens used this month")
    expect(meter).to_have_attribute("aria-valuenow", "0")
    page.get_by_label("Amount").fill("2500")
    page.get_by_role("button", name="Spend tokens").click()
    expect(meter).to_have_attribute("aria-valuenow", "2500")
    visitor.picture("usage")
    page.get_by_label("Amount").fill("7501")
    page.get_by_role("button", name="Spend tokens").click()
    expect(page.get_by_role("alert")).to_contain_text("quota-exceeded")
    expect(meter).to_have_attribute("aria-valuenow", "2500")
