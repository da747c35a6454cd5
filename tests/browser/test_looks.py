"""Every page on a phone and in the dark: pictures to look at, and what a picture does not show."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Meet
from tests.browser.visitor import PHONE

PAGES = ["Account", "Usage", "Campaigns", "API keys", "Sessions"]
# The text and all that can be pressed must fit: nobody scrolls sideways.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone(meet: Meet, scheme: str) -> None:
    visitor = meet(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    page = visitor.open()
    expect(page.get_by_label("Email address")).to_be_visible()
    assert page.evaluate(OVERFLOW) == 0
    visitor.picture(f"phone-{scheme}-sign-in")
    visitor.sign_in()
    for name in PAGES:
        page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        assert page.evaluate(OVERFLOW) == 0, name
        visitor.picture(f"phone-{scheme}-{name.lower().replace(' ', '-')}")


def test_dark(meet: Meet) -> None:
    visitor = meet(color_scheme="dark")
    visitor.sign_in()
    visitor.picture("dark-account")
    light, dark = (
        sum(
            page.evaluate(
                "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
            )
        )
        for page in (meet(color_scheme="light").open(), visitor.page)
    )
    assert dark < 200
    assert light > 600
