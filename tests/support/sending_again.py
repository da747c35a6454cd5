"""A request that is sent again with its Idempotency-Key: what its responses have in common, whatever it does."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

REPLAYED = "Idempotent-Replayed"


def check_again(send: Callable[[], requests.Response], read_rows: Callable[[], object]) -> None:
    """It is answered as the first time, and changes nothing more."""
    first = send()
    assert first.ok
    assert REPLAYED not in first.headers
    before = read_rows()
    for _ in range(2):
        again = send()
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers[REPLAYED] == "true"
        for name in ("Location", "ETag", "Content-Type"):
            assert again.headers.get(name) == first.headers.get(name)
    assert read_rows() == before


def check_together(send: Callable[[], requests.Response]) -> None:
    """Of ten at once one does the work, and the others wait for it."""
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: send(), range(10)))
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert answers[0].ok
    assert Counter(REPLAYED in answer.headers for answer in answers) == {True: 9, False: 1}
