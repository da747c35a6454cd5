"""The table of plans in docs/plans.md.

python -m tests.support.plans       writes it
"""

from backend.services.plans.catalogue import PLANS
from config import PROJECT
from tests.support.markdown import between_marks, markdown_table

PAGE = PROJECT / "docs" / "plans.md"
BEGIN, END = "<!-- plans -->", "<!-- end of plans -->"


def table() -> str:
    """What each plan allows, as Markdown."""
    head = (
        *("plan", "campaigns", "templates", "tokens a month", "API keys"),
        *("deleted campaigns", "kept responses", "rate tier"),
    )
    rows = [
        (
            f"`{plan}`",
            "any number" if limits.campaigns is None else f"{limits.campaigns:,}",
            f"{limits.templates:,}",
            f"{limits.tokens_a_month:,}",
            f"{limits.api_keys:,}",
            f"{limits.deleted_campaigns:,}",
            f"{limits.kept_responses:,}",
            f"`{limits.rate_tier}`",
        )
        for plan, limits in PLANS.items()
    ]
    return markdown_table(head, rows)


def page_with_table(page: str) -> str:
    return between_marks(page, BEGIN, END, table())


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text()))
