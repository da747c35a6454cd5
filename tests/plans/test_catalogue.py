"""What the plans allow, and that docs/plans.md says so."""

import itertools

from backend.models.choices import Plan
from backend.services.clerk.webhooks.events import ITEM_EVENTS, SUBSCRIPTION_EVENTS
from backend.services.plans.catalogue import CLERK_SLUGS, PLANS
from tests.support.plans import PAGE, page_with_table


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text()
    assert page == page_with_table(page), "run: python -m tests.support.plans"


def test_the_page_names_what_clerk_needs() -> None:
    page = PAGE.read_text()
    assert all(f"`{name}`" in page for name in (*SUBSCRIPTION_EVENTS, *CLERK_SLUGS))
    assert {name.partition(".")[0] for name in ITEM_EVENTS} == {"subscriptionItem"}


def test_each_plan_allows_what_the_one_below_does() -> None:
    assert list(PLANS) == list(Plan)
    for lower, higher in itertools.pairwise(PLANS.values()):
        assert higher.tokens_a_month > lower.tokens_a_month
        assert higher.api_keys > lower.api_keys
        assert higher.campaigns is None or (
            lower.campaigns is not None and higher.campaigns > lower.campaigns
        )
