"""One test for many cases, which tells of every case that failed, not only of the first."""

from collections.abc import Callable, Iterable
from typing import TypeVar

C = TypeVar("C")

LONGEST_NAME = 80


def check_each(cases: Iterable[C], judge: Callable[[C], object], expected: object) -> None:
    """`judge` says the same of every case, and there is a case."""
    judged = [(repr(case)[:LONGEST_NAME], judge(case)) for case in cases]
    assert judged
    wrong = [(case, found) for case, found in judged if found != expected]
    assert not wrong, f"not {expected!r}: {wrong}"
