"""`make bench` works: a few requests only, no figure is judged here."""

import re
import subprocess
import sys

from tests.support.server import PROJECT


def test_smoke() -> None:
    command = [sys.executable, "-m", "benchmarks", "--smoke"]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"^(.*?) +(\d+) +([\d.]+)$", result.stdout, re.MULTILINE)
    assert [name for name, _, _ in rows] == [
        "bare Flask route",
        "/healthz",
        "/auth/me, remembered token",
        "  and remembered, with rate limits",
        "/auth/me, fresh token",
        "/auth/me, API key",
        "/auth/me, legacy token",
        "  and remembered, beside legacy",
        "webhook user.created",
        "  and its PostgreSQL",
        "writing of a backfill",
        "COPY of the same rows",
        "whole backfill",
        "reconcile, nothing changed",
        "clerk-backend-api, row by row",
    ]
