"""What the start says of rate limits, once and only in production."""

from pathlib import Path

import pytest

from tests.settings.test_values import PRODUCTION
from tests.support.server import running_server


@pytest.mark.parametrize(
    ("changes", "workers", "expected"),
    [
        ({"RATE_LIMITS": "off"}, 1, ["RATE_LIMITS is off: nobody is refused for too many requests."]),
        ({}, 2, ["REDIS_URL is not set: each of 2 workers has rate limits of its own."]),
        ({"REDIS_URL": "redis://127.0.0.1:9/0"}, 2, []),
    ],
    ids=["off", "several workers", "in order"],
)
def test_what_it_says(tmp_path: Path, changes: dict[str, str], workers: int, expected: list[str]) -> None:
    with running_server(tmp_path, PRODUCTION | changes, workers=workers) as server:
        log = server.log.read_text()
    said = [line for line in log.splitlines() if "RATE_LIMITS" in line or "REDIS_URL" in line]
    assert len(said) == len(expected)
    assert all(text in line for text, line in zip(expected, said, strict=True))
