"""The table of plans in docs/plans.md.

python -m tests.support.plans       writes it
"""

from backend.models.roles_plans_scopes import Plan
from backend.services.plans.catalogue import all_limits
from config import PROJECT
from tests.support.markdown import between_marks, markdown_table

PAGE = PROJECT / "docs" / "plans.md"
BEGIN, END = "<!-- plans -->", "<!-- end of plans -->"


def table() -> str:
    """What each plan allows, as Markdown."""
    limits = {plan: all_limits(plan) for plan in Plan}
    head = [name.replace("_", " ").replace("api", "API") for name in limits[Plan.FREE]]
    rows = [[f"`{plan}`", *map(_cell, limits[plan].values())] for plan in Plan]
    return markdown_table(["plan", *head], rows)


def _cell(limit: object) -> str:
    if limit is None:
        return "any number"
    return f"{limit:,}" if isinstance(limit, int) else f"`{limit}`"


def page_with_table(page: str) -> str:
    return between_marks(page, BEGIN, END, table())


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text()))
