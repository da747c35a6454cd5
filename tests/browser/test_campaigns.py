"""The pages of campaigns: from a draft to its end, longer lists, and what goes wrong on the way."""

from typing import Any

from playwright.sync_api import expect

from tests.browser.application import Application
from tests.browser.conftest import Meet
from tests.browser.visitor import OVERFLOW, PHONE, Visitor, lose_the_answer, tab_to

NAME = "Spring sale"


def create(visitor: Visitor, name: str, **members: Any) -> int:
    number: int = visitor.send("POST", "/api/campaigns", name=name, channel="email", **members)["campaign_id"]
    return number


def row_of(application: Application, user: dict[str, Any]) -> dict[str, Any]:
    """Fails unless the user has exactly one campaign."""
    owned = "SELECT c.* FROM campaigns c JOIN users USING (user_id) WHERE clerk_user_id = %s AND c.deleted_at IS NULL"
    return application.sql.row(owned, user["id"])


def test_from_draft_to_its_end_by_keyboard(visitor: Visitor, application: Application) -> None:
    """Wherever a page or a control goes away, the focus is at a place to go on from."""
    user = visitor.sign_in()
    page = visitor.page
    main, campaign = page.get_by_role("main"), page.get_by_label("Campaigns", exact=True).get_by_role("listitem")
    tab_to(page, "Campaigns")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No campaign yet")).to_be_visible()
    expect(main).to_be_focused()
    tab_to(page, "New campaign")
    page.keyboard.press("Enter")
    expect(main).to_be_focused()
    tab_to(page, "Name")
    page.keyboard.type(NAME)
    page.get_by_label("Channel").select_option("sms")
    tab_to(page, "Budget")
    page.keyboard.type("1250.50")
    tab_to(page, "Tags")
    page.keyboard.type("spring, sale")
    page.keyboard.press("Enter")
    expect(campaign).to_contain_text(NAME)
    expect(campaign).to_contain_text("draft")
    expect(main).to_be_focused()

    tab_to(page, NAME)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    page.get_by_label("Name").fill("Summer sale")
    page.get_by_label("Status").select_option("active")
    page.get_by_label("Name").press("Enter")
    expect(campaign).to_contain_text("active")
    visitor.picture("campaigns")

    tab_to(page, "Archive")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Restore Summer sale")).to_be_focused()
    expect(campaign).to_contain_text("archived")
    row = row_of(application, user)
    shown = (row["name"], row["channel"], row["status"], row["budget_minor"])
    assert shown == ("Summer sale", "sms", "archived", 125_050)

    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Summer sale")).to_be_visible()
    expect(main).to_be_focused()
    tab_to(page, "Delete campaign")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete campaign")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No campaign yet")).to_be_visible()
    expect(main).to_be_focused()


def test_pages(visitor: Visitor, application: Application) -> None:
    application.subscribe(visitor.sign_in(), "pro")
    for number in range(1, 13):
        create(visitor, f"Number {number}")
    page = visitor.page
    listed = page.get_by_label("Campaigns", exact=True).get_by_role("listitem").get_by_role("link")
    newest = [f"Number {number}" for number in range(12, 2, -1)]
    page.get_by_role("link", name="Campaigns").click()
    expect(listed).to_have_text(newest)
    page.get_by_role("button", name="Next").click()
    expect(listed).to_have_text(["Number 2", "Number 1"])
    page.get_by_role("button", name="Archive Number 1").click()
    expect(page.get_by_role("button", name="Restore Number 1")).to_be_visible()
    expect(listed).to_have_text(["Number 2", "Number 1"])
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name").fill("Number 13")
    page.get_by_role("button", name="Create campaign").click()
    expect(listed).to_have_text(["Number 13", *newest[:-1]])


def test_answers_that_get_lost(visitor: Visitor, application: Application) -> None:
    """The same again makes one campaign; a change that did not arrive is sent as it stands there by then."""
    visitor.expect_refusals("ERR_FAILED.*/api/campaigns")
    user = visitor.sign_in()
    page = visitor.open("/#/campaigns/new")
    again, named = page.get_by_role("button", name="Try again"), page.get_by_role("link", name=NAME)
    page.route("**/api/campaigns", lose_the_answer, times=1)
    page.get_by_label("Name").fill(NAME)
    page.get_by_role("button", name="Create campaign").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    expect(page.get_by_label("Name")).to_have_value(NAME)
    again.click()
    named.click()
    row = row_of(application, user)
    assert row["name"] == NAME

    page.route(f"**/api/campaigns/{row['campaign_id']}", lambda route: route.abort(), times=1)
    page.get_by_label("Description").fill("first text")
    page.get_by_role("button", name="Save changes").click()
    page.get_by_label("Description").fill("second text")
    again.click()
    expect(named).to_be_visible()
    assert row_of(application, user)["description"] == "second text"


def test_refusals_in_the_units_of_the_form_and_in_view(meet: Meet) -> None:
    """The API says what helps, the page how much is used, once each. A refusal of a row is shown above the list."""
    visitor = meet(viewport={"width": 390, "height": 320})  # no higher than the list of three is long
    visitor.expect_refusals("4(02|04|22).*/api/campaigns")
    visitor.sign_in()
    oldest, *_ = [create(visitor, f"Number {n}") for n in range(3)]
    page = visitor.open("/#/campaigns/new")
    budget, button = page.get_by_label("Budget"), page.get_by_role("button", name="Create campaign")
    page.get_by_label("Name").fill(NAME)
    budget.fill("99999999999999")
    button.click()
    expect(budget).to_have_accessible_description("Should be less than or equal to €10,000,000,000,000.00")
    budget.fill("100")
    button.click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Delete one, or change the plan.")
    expect(alert.get_by_text("3 of 3 are used.", exact=True)).to_be_visible()

    page.get_by_role("link", name="All campaigns").click()
    archive = page.get_by_role("button", name="Archive Number 0")
    archive.scroll_into_view_if_needed()
    expect(page.get_by_role("heading", name="Campaigns")).not_to_be_in_viewport()
    visitor.send("DELETE", f"/api/campaigns/{oldest}")
    archive.click()
    expect(alert).to_be_in_viewport(ratio=1)


def test_changed_elsewhere(meet: Meet, application: Application) -> None:
    """On a phone and with names as long as the API takes them, without a place to break a line."""
    visitor = meet(viewport=PHONE, has_touch=True, is_mobile=True)
    visitor.expect_refusals("412.*/api/campaigns/")
    visitor.sign_in()
    first, theirs, mine = ("W" * 100, "V" * 100, "U" * 100)
    number = create(visitor, first, tags=["t" * 50])
    path = f"/api/campaigns/{number}"
    page = visitor.page
    page.get_by_role("link", name="Campaigns").click()
    expect(page.get_by_role("link", name=first)).to_be_visible()
    assert page.evaluate(OVERFLOW) == 0
    visitor.picture("phone-long-campaigns")
    page.get_by_role("link", name=first).click()
    page.get_by_role("button", name="Delete campaign").click()
    name, notice = page.get_by_label("Name"), page.get_by_role("alert")

    name.fill(mine)
    visitor.send("PATCH", path, name=theirs)
    page.get_by_role("button", name="Save changes").click()
    expect(notice).to_contain_text("precondition-failed")
    expect(notice.get_by_role("row").last).to_have_text(f"name{theirs}{mine}")
    expect(notice).to_be_focused()  # it is above the form, out of sight from the button
    expect(notice).to_be_in_viewport()
    expect(name).to_have_value(mine)
    assert page.evaluate(OVERFLOW) == 0
    visitor.picture("phone-long-campaign")
    page.get_by_role("button", name="Discard mine").click()
    expect(name).to_have_value(theirs)
    expect(notice).to_have_count(0)

    name.fill("Mine again")
    visitor.send("PATCH", path, name="Theirs again", channel="sms")
    page.get_by_role("button", name="Save changes").click()
    expect(notice).to_be_visible()
    name.fill("Mine, better")
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_role("link", name="Mine, better")).to_be_visible()
    row = application.sql.row("SELECT name, channel FROM campaigns WHERE campaign_id = %s", number)
    assert row == {"name": "Mine, better", "channel": "sms"}
