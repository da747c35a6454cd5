"""Clerk's limit is kept by all runs together, and by what Clerk asks for."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from backend.container import current_services
from backend.services.clerk.client import bulk
from backend.services.clerk.client.bulk import BulkApi
from backend.services.clerk.mirror import runs
from tests.mirror.conftest import Clerk
from tests.mirror.source import Source, make_user
from tests.support.clerk_api import SECRET_KEY, answer_with, refuse_with
from tests.support.database import Sql


def api_of(run: runs.Run, source: Source, key: str = SECRET_KEY) -> BulkApi:
    return BulkApi(source.url, key, book=run.take_turn, postpone=run.postpone)


@pytest.mark.parametrize(("key", "most"), [("sk_test_x", 8), ("sk_live_x", 80), ("sk_other", 8)])
def test_each_kind_of_key_has_its_own(key: str, most: int) -> None:
    """So many requests a second: four fifths of what Clerk allows."""
    booked: list[float] = []

    def book(interval: float) -> float:
        booked.append(interval)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        BulkApi("http://127.0.0.1:9", key, book=book, postpone=lambda _: None).get("users")
    assert booked == [pytest.approx(1 / most)]


def test_runs_share_it(source_app: Flask, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at once, 100 requests in ten seconds allowed: no second has more than eight."""
    monkeypatch.setitem(bulk.ALLOWED, "sk_test_", 100)
    times: list[float] = []
    source.before = lambda _path, _query: (times.append(time.monotonic()), answer_with([]))[1]  # type: ignore[func-returns-value]
    with source_app.app_context(), ThreadPoolExecutor(3) as pool:
        transact = current_services().database.transact
        apis = [
            api_of(runs.begin(transact, "reconcile" if not n else "backfill", [f"kind {n}"]), source) for n in range(3)
        ]
        list(pool.map(lambda api: [api.get("users") for _ in range(5)], apis))
    times.sort()
    assert len(times) == 15
    assert times[-1] - times[0] >= 14 / 8 - 0.1
    assert all(times[n + 8] - times[n] >= 0.9 for n in range(len(times) - 8))


def test_pause_counts_for_all(source_app: Flask, source: Source) -> None:
    answers = [refuse_with("too_many_requests", 429, Retry_After="1")]
    source.before = lambda _path, _query: answers.pop() if answers else answer_with([])
    with source_app.app_context():
        transact = current_services().database.transact
        one, two = (api_of(runs.begin(transact, "backfill", [name]), source) for name in ("users", "roles"))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(one.get, "users")
            while answers:
                time.sleep(0.01)
            time.sleep(0.1)
            began_at = time.monotonic()
            two.get("users")
            assert 0.5 < time.monotonic() - began_at < 2
            asked.result()


def test_who_waits_is_sent_away_at_the_end(source: Source) -> None:
    api = BulkApi(source.url, SECRET_KEY, book=lambda _: 60.0, postpone=lambda _: None)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, "users")
        api.close()
        assert "the run is over" in str(waiting.exception(5))


def test_each_request_shows_that_the_run_is_at_work(clerk_command: Clerk, source: Source, sql: Sql) -> None:
    source.put("users", *(make_user(number) for number in range(45)))
    seen: list[object] = []
    source.before = lambda _path, _query: seen.extend(sql.rows("SELECT heartbeat_at FROM sync_runs"))
    assert clerk_command("backfill", "--only", "users").exit_code == 0
    assert len(seen) == len({str(each) for each in seen}) >= 4
