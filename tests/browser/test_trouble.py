"""What goes wrong on the way, and what the page lets its user do about it."""

from playwright.sync_api import Route, expect

from tests.browser.application import Application
from tests.browser.conftest import Meet
from tests.browser.visitor import Visitor, lose_the_answer

LIST, NAME = "**/api/keys?*", "laptop"


def test_network_that_comes_back(visitor: Visitor, application: Application) -> None:
    visitor.expect_refusals("ERR_FAILED.*/api/keys")
    user = visitor.sign_in()
    page = visitor.page
    alert, again = page.get_by_role("alert"), page.get_by_role("button", name="Try again")
    page.route(LIST, lambda route: route.abort())
    page.get_by_role("link", name="API keys").click()
    expect(alert).to_contain_text("No connection")
    page.unroute(LIST)
    again.click()
    create = page.get_by_role("button", name="Create key")
    expect(create).to_be_visible()
    expect(alert).to_have_count(0)

    page.route("**/api/keys", lose_the_answer, times=1)
    page.get_by_label("Name").fill(NAME)
    create.click()
    expect(alert).to_contain_text("No connection")
    expect(page.get_by_label("Name")).to_have_value(NAME)
    again.click()
    key = page.get_by_label("New API key").input_value()
    assert visitor.call("/auth/me", key) == (200, None)
    made = "SELECT k.name, last_four FROM api_keys k JOIN users USING (user_id) WHERE clerk_user_id = %s"
    assert application.sql.rows(made, user["id"]) == [{"name": NAME, "last_four": key[-4:]}]


def test_refusal_is_told_and_tried_again(visitor: Visitor) -> None:
    """A sixth API key is one too many, until one of the others is gone. The page forgets it when it is left."""
    visitor.expect_refusals("402.*/api/keys")
    visitor.sign_in()
    others = [visitor.send("POST", "/api/keys", name=str(n), scopes=["profile:read"]) for n in range(5)]
    page = visitor.page
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill(NAME)
    with page.expect_response("**/api/keys") as refused:
        page.get_by_role("button", name="Create key").click()
    alert = page.get_by_role("alert")
    expect(alert.get_by_role("code")).to_have_text(["quota-exceeded", refused.value.headers["x-request-id"]])
    expect(alert.get_by_text("5 of 5 are used.", exact=True)).to_be_visible()
    visitor.send("DELETE", f"/api/keys/{others[0]['key_id']}")
    page.get_by_role("button", name="Try again").click()
    shown = page.get_by_label("New API key")
    key = shown.input_value()
    expect(alert).to_have_count(0)
    assert visitor.call("/auth/me", key) == (200, None)

    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_role("meter", name="API keys")).to_have_attribute("aria-valuenow", "5")
    page.go_back()
    listed = page.get_by_label("API keys", exact=True).get_by_role("listitem")
    expect(listed.first).to_contain_text(key[-4:])
    expect(shown).to_have_count(0)
    assert key not in page.content()


def test_retry_sends_what_stands_there_by_then(visitor: Visitor, application: Application) -> None:
    """Once, if it is what failed: here 10 tokens, whose answer got lost. 5 instead of 20 are another request."""
    visitor.expect_refusals("402.*consume", "ERR_FAILED.*(consume|/api/me)")
    user = visitor.sign_in()
    page = visitor.page
    alert, again = page.get_by_role("alert"), page.get_by_role("button", name="Try again")
    page.get_by_role("link", name="Usage").click()
    amount, meter = page.get_by_label("Amount"), page.get_by_role("meter", name="Tokens used this month")
    amount.fill("20000")
    page.get_by_role("button", name="Spend tokens").click()
    expect(alert).to_contain_text("quota-exceeded")
    page.route("**/api/tokens/consume", lose_the_answer, times=1)
    amount.fill("10")
    again.click()
    expect(alert).to_contain_text("No connection")
    again.click()
    expect(meter).to_have_attribute("aria-valuenow", "10")
    page.route("**/api/tokens/consume", lose_the_answer, times=1)
    amount.fill("20")
    page.get_by_role("button", name="Spend tokens").click()
    expect(alert).to_contain_text("No connection")
    amount.fill("5")
    again.click()
    expect(meter).to_have_attribute("aria-valuenow", "35")

    page.get_by_role("link", name="Account").click()
    page.route("**/api/me", lambda route: route.abort(), times=1)
    page.get_by_label("Bio").fill("first text")
    page.get_by_role("button", name="Save profile").click()
    expect(alert).to_contain_text("No connection")
    page.get_by_label("Bio").fill("second text")
    again.click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    assert application.sql.user(user["id"])["bio"] == "second text"


def test_refusal_comes_into_view(meet: Meet) -> None:
    """It is shown above the list; on a phone the button that brought it may be far below."""
    visitor = meet(viewport={"width": 390, "height": 320})  # no higher than the list of three is long
    visitor.expect_refusals("409.*/api/keys/")
    visitor.sign_in()
    made = [visitor.send("POST", "/api/keys", name=f"Number {n}", scopes=["profile:read"]) for n in range(3)]
    page = visitor.page
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("button", name="Rotate: Number 0").click()
    rotate = page.get_by_role("button", name="Yes")
    rotate.scroll_into_view_if_needed()
    expect(page.get_by_role("heading", name="API keys")).not_to_be_in_viewport()
    visitor.send("DELETE", f"/api/keys/{made[0]['key_id']}")
    rotate.click()
    expect(page.get_by_role("alert")).to_be_in_viewport(ratio=1)


def test_page_that_cannot_be_drawn(visitor: Visitor) -> None:
    """An answer without a member that the page counts on, as from a server of another version."""
    visitor.expect_refusals("TypeError")
    visitor.sign_in()
    page = visitor.page

    def alter(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "history": None})

    page.route("**/api/tokens", alter)
    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_role("alert")).to_contain_text("This page failed")
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("button", name="Create key")).to_be_visible()
    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_role("alert")).to_contain_text("This page failed")
    page.unroute("**/api/tokens")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("meter", name="Tokens used this month")).to_be_visible()
