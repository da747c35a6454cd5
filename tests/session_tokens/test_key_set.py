"""RemoteKeySet: who fetches, who waits, what is kept. The clock and the fetch are the tests' own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend.errors import AppError, ErrorCode
from backend.services.clerk.client.http import FetchError
from backend.services.core import jwks
from backend.services.core.jwks import RemoteKeySet
from backend.services.core.key_file import KeyFile
from tests.support.clerk import Instance

DAY = 86_400.0
NO_KEYS: tuple[object, ...] = (
    *({}, [], None, "x", {"keys": []}, {"keys": {"kid": "x"}}),
    {"keys": [None, 7, "x", [], {}, {"kty": "oct", "kid": "x", "k": "AAAA"}]},
)
LIFETIME = 3600.0
URL = "https://clerk.test/jwks"
# Longer than any wait here should last, so that a fault fails and does not hang.
PATIENCE = 5.0

ONE, TWO = Instance(), Instance()


def set_of(*instances: Instance) -> dict[str, Any]:
    return {"keys": [instance.jwk for instance in instances]}


class Source:
    """The clock, and what Clerk answers at the moment. `gate` holds fetches back while it is clear."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answer: object = set_of(ONE)
        self.fetches = 0
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)
        self.answered = threading.Semaphore(0)
        nowhere = KeyFile("/dev/null", URL)
        self.keys = RemoteKeySet(URL, LIFETIME, self._fetch, nowhere, clock=lambda: self.now)

    def _fetch(self, url: str) -> object:
        assert url == URL
        self.fetches += 1
        self.asked.release()
        answer = self.answer
        assert self.gate.wait(PATIENCE)
        try:
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.answered.release()

    def code(self, kid: str | None) -> ErrorCode | None:
        try:
            self.keys.get(kid)
        except AppError as error:
            return error.code
        return None

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """What a fetch brings is there a moment after it ended."""
        pause = threading.Event()
        for _ in range(500):
            if is_so():
                return
            pause.wait(0.01)
        raise AssertionError("it never came")


def join_fetches() -> None:
    for thread in threading.enumerate():
        if thread.name == "jwks":
            thread.join(PATIENCE)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def warm() -> Source:
    source = Source()
    source.keys.check()
    # So that a test that waits for a fetch does not find this one.
    assert source.asked.acquire(timeout=PATIENCE)
    assert source.answered.acquire(timeout=PATIENCE)
    return source


class TestLifetime:
    def test_one_fetch_serves_many(self, source: Source) -> None:
        for _ in range(100):
            assert source.code(ONE.kid) is None
        assert source.fetches == 1

    @pytest.mark.parametrize(("age", "fetches"), [(LIFETIME * 0.79, 1), (LIFETIME * 0.81, 2)])
    def test_refresh_ahead(self, warm: Source, age: float, fetches: int) -> None:
        warm.now += age
        assert warm.code(ONE.kid) is None
        warm.wait_until(lambda: warm.fetches == fetches)

    def test_nobody_waits_for_the_refresh_ahead(self, warm: Source) -> None:
        warm.gate.clear()
        warm.now += LIFETIME * 0.9
        for _ in range(50):
            assert warm.code(ONE.kid) is None
        assert warm.asked.acquire(timeout=PATIENCE)
        warm.gate.set()
        assert warm.fetches == 2

    def test_what_it_brings_counts(self, warm: Source) -> None:
        warm.answer = set_of(TWO)
        warm.now += LIFETIME * 0.9
        warm.keys.check()
        warm.wait_until(lambda: warm.code(TWO.kid) is None)
        assert warm.code(ONE.kid) is ErrorCode.JWK_KID_MISMATCH

    def test_past_the_end_one_waits_and_the_others_do_not(self, warm: Source) -> None:
        warm.gate.clear()
        warm.answer = set_of(TWO)
        warm.now += LIFETIME
        with ThreadPoolExecutor(1) as other:
            refreshing = other.submit(warm.code, ONE.kid)
            assert warm.asked.acquire(timeout=PATIENCE)
            for _ in range(50):
                assert warm.code(ONE.kid) is None
            assert not refreshing.done()
            warm.gate.set()
            assert refreshing.result(PATIENCE) is ErrorCode.JWK_KID_MISMATCH
        assert warm.fetches == 2


def ask_at_once(source: Source, kid: str) -> None:
    """Sixteen for one key, while the fetch that they wait for is held by the gate: all get it."""
    with ThreadPoolExecutor(16) as crowd:
        results = [crowd.submit(source.code, kid) for _ in range(16)]
        assert source.asked.acquire(timeout=PATIENCE)
        source.gate.set()
        assert [result.result(PATIENCE) for result in results] == [None] * 16


class TestSingleFlight:
    def test_cold(self, source: Source) -> None:
        source.gate.clear()
        ask_at_once(source, ONE.kid)
        assert source.fetches == 1

    def test_unknown_kid(self, warm: Source) -> None:
        warm.gate.clear()
        warm.now += 31
        warm.answer = set_of(ONE, TWO)
        ask_at_once(warm, TWO.kid)
        assert warm.fetches == 2


class TestUnknownKid:
    @pytest.mark.parametrize(("seconds", "fetches"), [(0, 1), (29.9, 1), (30, 2)])
    def test_cooldown_after_a_fetch(self, warm: Source, seconds: float, fetches: int) -> None:
        warm.now += seconds
        for number in range(20):
            assert warm.code(f"invented_{number}") is ErrorCode.JWK_KID_MISMATCH
        assert warm.fetches == fetches

    def test_flood(self, warm: Source) -> None:
        """An hour of it, ten a second: one fetch in 30 s, beside the refresh of the set itself."""
        started_at = warm.now
        while warm.now < started_at + 3000:
            warm.now += 1
            warm.code(f"invented_{warm.now}")
        assert 90 <= warm.fetches <= 102

    def test_new_key(self, warm: Source) -> None:
        warm.answer = set_of(ONE, TWO)
        warm.now += 30
        assert warm.code(TWO.kid) is None

    def test_failure_is_no_verdict(self, warm: Source) -> None:
        warm.answer = FetchError("answered 500", 500)
        warm.now += 30
        assert warm.code("unknown") is ErrorCode.JWKS_UNAVAILABLE
        assert warm.code(ONE.kid) is None
        warm.now += 1
        assert warm.code("unknown") is ErrorCode.JWKS_UNAVAILABLE
        assert warm.fetches == 2

    def test_none_is_a_guess_only_among_several(self, warm: Source) -> None:
        assert warm.code(None) is None
        warm.answer = set_of(ONE, TWO)
        warm.now += LIFETIME
        assert warm.code(None) is ErrorCode.JWK_KID_MISMATCH


class TestFailure:
    @pytest.mark.parametrize("answer", NO_KEYS, ids=repr)
    def test_no_keys_are_a_failure(self, source: Source, answer: object) -> None:
        source.answer = answer
        assert source.code(ONE.kid) is ErrorCode.JWKS_UNAVAILABLE

    @pytest.mark.parametrize("answer", [FetchError("answered 500", 500), *NO_KEYS], ids=repr)
    def test_set_is_never_emptied(self, warm: Source, answer: object) -> None:
        warm.answer = answer
        warm.now += LIFETIME + 1
        assert warm.code(ONE.kid) is None
        assert warm.fetches == 2

    def test_back_off_with_keys(self, warm: Source) -> None:
        warm.answer = FetchError("away")
        warm.now += LIFETIME
        for seconds, fetches in ((0, 2), (29, 2), (1, 3), (29, 3)):
            warm.now += seconds
            assert warm.code(ONE.kid) is None
            assert warm.fetches == fetches

    def test_back_off_without_keys(self, source: Source) -> None:
        source.answer = FetchError("away")
        for seconds, fetches in ((0, 1), (1.9, 1), (0.1, 2), (1.9, 2)):
            source.now += seconds
            assert source.code(ONE.kid) is ErrorCode.JWKS_UNAVAILABLE
            assert source.fetches == fetches

    def test_recovery(self, source: Source) -> None:
        source.answer = FetchError("away")
        assert source.code(ONE.kid) is ErrorCode.JWKS_UNAVAILABLE
        source.answer = set_of(ONE)
        source.now += 2
        assert source.code(ONE.kid) is None
        assert source.code("unknown") is ErrorCode.JWK_KID_MISMATCH

    @pytest.mark.parametrize(("age", "code"), [(0, None), (1, ErrorCode.JWKS_UNAVAILABLE)])
    def test_stale_for_a_day(self, warm: Source, age: float, code: ErrorCode | None) -> None:
        warm.answer = FetchError("away")
        warm.now += LIFETIME + DAY + age
        assert warm.code(ONE.kid) is code

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_fault_of_ours_blocks_nobody(self, source: Source) -> None:
        source.answer = RuntimeError("a bug")
        assert source.code(ONE.kid) is ErrorCode.JWKS_UNAVAILABLE
        source.answer = set_of(ONE)
        source.now += 2
        assert source.code(ONE.kid) is None
        join_fetches()  # the traceback of the thread must come while this test still allows it


class TestLateFetch:
    @pytest.fixture(autouse=True)
    def _short_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.1)

    def test_is_given_up(self, source: Source) -> None:
        source.gate.clear()
        assert source.code(ONE.kid) is ErrorCode.JWKS_UNAVAILABLE
        source.gate.set()

    def test_what_it_brings_later_does_not_count(self, source: Source) -> None:
        """A newer fetch may have brought a newer set: the old answer would bring a withdrawn key back."""
        source.gate.clear()
        assert source.code(ONE.kid) is ErrorCode.JWKS_UNAVAILABLE
        late, source.gate = source.gate, threading.Event()
        source.gate.set()
        source.answer = set_of(TWO)
        source.now += 2
        assert source.code(TWO.kid) is None
        assert source.answered.acquire(timeout=PATIENCE)
        late.set()
        assert source.answered.acquire(timeout=PATIENCE)
        assert source.code(TWO.kid) is None
        assert source.code(ONE.kid) is ErrorCode.JWK_KID_MISMATCH


class TestEndOfAnAttempt:
    """The back-off counts from there, however late the end is noticed: it is never begun again without a fetch."""

    @pytest.fixture
    def hanging(self, warm: Source) -> Source:
        """The refresh ahead hangs, and nobody waits for it."""
        warm.gate.clear()
        warm.answer = FetchError("took too long")
        warm.now += LIFETIME * 0.9
        assert warm.code(ONE.kid) is None
        warm.wait_until(lambda: warm.fetches == 2)
        return warm

    @pytest.mark.parametrize("noticed", [3, 20, 29.9])
    def test_that_comes_late(self, hanging: Source, noticed: float) -> None:
        hanging.now += noticed
        hanging.gate.set()
        join_fetches()
        self._check_that_33_seconds_are_enough(hanging, noticed)

    @pytest.mark.parametrize("noticed", [3.1, 20, 29.9])
    def test_that_never_comes(self, hanging: Source, noticed: float) -> None:
        late = hanging.gate
        hanging.now += noticed
        self._check_that_33_seconds_are_enough(hanging, noticed)
        late.set()
        join_fetches()
        assert hanging.code(TWO.kid) is None

    def _check_that_33_seconds_are_enough(self, source: Source, passed: float) -> None:
        assert source.code("unknown") is ErrorCode.JWKS_UNAVAILABLE
        source.now += 32.9 - passed
        assert source.code("unknown") is ErrorCode.JWKS_UNAVAILABLE
        assert source.fetches == 2
        source.answer, source.gate = set_of(ONE, TWO), threading.Event()
        source.gate.set()
        source.now += 0.2
        assert source.code(TWO.kid) is None
        assert source.fetches == 3


class TestObjects:
    def test_unchanged_keys_stay_the_same(self, warm: Source) -> None:
        """Remembered tokens are tied to the object of their key."""
        before = warm.keys.get(ONE.kid)
        warm.answer = set_of(TWO, ONE)
        warm.now += LIFETIME
        assert warm.keys.get(ONE.kid) is before
        assert warm.code(TWO.kid) is None

    def test_a_new_key_under_an_old_name_is_another(self, warm: Source) -> None:
        before = warm.keys.get(ONE.kid)
        warm.answer = {"keys": [{**TWO.jwk, "kid": ONE.kid}]}
        warm.now += LIFETIME
        after = warm.keys.get(ONE.kid)
        assert after is not before
        assert after.public_numbers() == TWO.key.public_key().public_numbers()
