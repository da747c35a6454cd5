"""Tables that a page of docs/ has between two marks, and that a module of tests/support writes from the code."""

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def between_marks(page: str, begin: str, end: str, text: str) -> str:
    """The page with `text` between the marks `begin` and `end`, in place of what stands there."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}\n{end}{after}"
