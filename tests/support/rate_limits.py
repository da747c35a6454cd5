"""The table of docs/rate-limits.md.

python -m tests.support.rate_limits       writes it
"""

from backend.services.rate_limits.table import LIMITS, Row
from config import PROJECT
from tests.support.markdown import between_marks, markdown_table

PAGE = PROJECT / "docs" / "rate-limits.md"
BEGIN, END = "<!-- limits -->", "<!-- end of limits -->"


def table() -> str:
    """Requests a minute, as Markdown."""
    tiers = Row._fields[1:] + Row._fields[:1]
    rows = [
        [f"`{group}`", group.about, *(_cell(getattr(row, tier)) for tier in tiers)] for group, row in LIMITS.items()
    ]
    return markdown_table(["name", "what is counted", *tiers[:-1], "one address"], rows)


def _cell(limit: int | None) -> str:
    return "–" if limit is None else f"{limit:,}"  # noqa: RUF001 - the dash is meant


def page_with_table(page: str) -> str:
    return between_marks(page, BEGIN, END, table())


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text()))
