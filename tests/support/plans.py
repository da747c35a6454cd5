"""The table of plans in docs/plans.md.

python -m tests.support.plans       writes it
"""

from backend.services.plans.catalogue import PLANS
from config import PROJECT

PAGE = PROJECT / "docs" / "plans.md"
BEGIN, END = "<!-- plans -->", "<!-- end of plans -->"


def table() -> str:
    """What each plan allows, as Markdown."""
    head = ("plan", "campaigns", "tokens a month", "API keys", "rate tier")
    rows = [
        (
            f"`{plan}`",
            "any number" if limits.campaigns is None else f"{limits.campaigns:,}",
            f"{limits.tokens_a_month:,}",
            f"{limits.api_keys:,}",
            f"`{limits.rate_tier}`",
        )
        for plan, limits in PLANS.items()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def page_with_table(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text()))
