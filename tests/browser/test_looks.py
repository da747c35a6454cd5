"""Every page on a phone and in the dark: pictures to look at, and what a picture does not show."""

import secrets

import pytest
from playwright.sync_api import expect

from tests.browser.application import Application
from tests.browser.conftest import Meet
from tests.browser.visitor import OVERFLOW, PHONE

BRIGHTNESS = (
    "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => +a + +b, 0)"
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone(meet: Meet, scheme: str) -> None:
    visitor = meet(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    page = visitor.open()
    expect(page.get_by_label("Email address")).to_be_visible()
    assert page.evaluate(OVERFLOW) == 0
    visitor.picture(f"phone-{scheme}-sign-in")
    visitor.sign_in()
    navigation = page.get_by_role("navigation", name="Main")
    names = navigation.get_by_role("link").all_inner_texts()
    assert "API keys" in names
    for name in names:
        navigation.get_by_role("link", name=name).click()
        expect(page).to_have_title(f"{name} · Counterfoil")
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        assert page.evaluate(OVERFLOW) == 0, name
        visitor.picture(f"phone-{scheme}-{name.lower().replace(' ', '-')}")
    brightness = page.evaluate(BRIGHTNESS)
    assert brightness > 600 if scheme == "light" else brightness < 200


def test_phone_with_long_names(meet: Meet, application: Application) -> None:
    """As long as the API takes them, and an address of the longest parts: no place to break a line."""
    visitor = meet(viewport=PHONE, has_touch=True, is_mobile=True)
    address = f"{secrets.token_hex(32)}@{'d' * 63}.{'e' * 63}.example.com"
    visitor.sign_in(application.add_user(email_address=[address], first_name="A" * 100, last_name="B" * 100))
    page, name = visitor.page, "W" * 100
    expect(page.get_by_label("Database row")).to_contain_text(address)
    assert page.evaluate(OVERFLOW) == 0
    visitor.picture("phone-long-account")

    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="Rotate").click()
    expect(page.get_by_role("button", name="Yes")).to_be_visible()
    assert page.evaluate(OVERFLOW) == 0
    visitor.picture("phone-long-keys")
