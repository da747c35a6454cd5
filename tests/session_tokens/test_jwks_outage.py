"""Clerk's keys cannot be had: tokens already in use go on, and nobody is told that his good token is bad."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from backend.services.clerk.client.http import get_json
from backend.services.core.jwks import RemoteKeySet
from backend.services.core.key_file import KeyFile
from backend.services.core.public_keys import MAX_SET_BYTES
from tests.session_tokens.key_servers import FAILURES, redirect_to
from tests.support.attacks import PATH, check_refusal, forge
from tests.support.clerk import Instance, KeyServer
from tests.support.fixtures import StartServer
from tests.support.server import Server

# The deadline of a fetch is 3 s; the rest is the request.
LONGEST_WAIT = 3.8
MEGABYTE = 1_048_576


def _timed_get(server: Server, token: str) -> tuple[requests.Response, float]:
    started_at = time.monotonic()
    answer = server.get(PATH, token)
    return answer, time.monotonic() - started_at


def _resident_bytes(server: Server) -> int:
    (pid,) = server.worker_pids()
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024


def _answers_until_good(server: Server, token: str, seconds: float) -> list[requests.Response]:
    answers = [server.get(PATH, token)]
    give_up = time.monotonic() + seconds
    while answers[-1].status_code != 200 and time.monotonic() < give_up:
        time.sleep(0.1)
        answers.append(server.get(PATH, token))
    return answers


class Cold(NamedTuple):
    """A server that never got a key, and where it asks for one."""

    server: Server
    keys: KeyServer

    def ask_until_it_asks(self, token: str) -> list[requests.Response]:
        """Failures are remembered for 2 s. What was answered meanwhile."""
        asked = len(self.keys.requests)
        answers = []
        while len(self.keys.requests) == asked:
            answer, seconds = _timed_get(self.server, token)
            assert seconds < LONGEST_WAIT
            answers.append(answer)
            time.sleep(0.05)
        assert len(self.keys.requests) == asked + 1
        return answers


@pytest.fixture(scope="module")
def cold(start_server: StartServer) -> Iterator[Cold]:
    with KeyServer() as keys, start_server(CLERK_JWT_KEY="", CLERK_JWKS_URL=keys.url) as server:
        yield Cold(server, keys)


class TestColdStart:
    """What documents hold no key is asked of RemoteKeySet itself, in test_key_set.py."""

    @pytest.mark.parametrize(
        "failure", ["500", "garbage", "unfit keys", "cut off", "200 MB", "hang", "drip", "drip in the head"]
    )
    def test_is_our_trouble(self, cold: Cold, clerk: Instance, failure: str) -> None:
        """503 and not 401, whatever the token: nobody knows yet whether it is good."""
        cold.keys.answer = FAILURES[failure]
        before = _resident_bytes(cold.server)
        answers = cold.ask_until_it_asks(clerk.token())
        for answer in (*answers, cold.server.get(PATH, forge(clerk.token()))):
            check_refusal(answer, "jwks-unavailable", status=503)
        assert _resident_bytes(cold.server) - before < 20 * MEGABYTE

    def test_redirect_is_not_followed(self, cold: Cold, clerk: Instance) -> None:
        with KeyServer(clerk.jwk) as elsewhere:
            cold.keys.answer = redirect_to(elsewhere.url)
            for answer in cold.ask_until_it_asks(clerk.token()):
                check_refusal(answer, "jwks-unavailable", status=503)
            assert elsewhere.requests == []

    def test_only_what_needs_a_key_fails(self, cold: Cold, clerk: Instance) -> None:
        cold.keys.answer = FAILURES["500"]
        assert cold.server.get("/healthz").status_code == 200
        check_refusal(cold.server.get("/readyz"), "jwks-unavailable", status=503)
        check_refusal(cold.server.get(PATH), "session-token-missing")
        check_refusal(cold.server.get(PATH, "x"), "token-invalid")
        none = clerk.token(headers={"alg": "none"})
        check_refusal(cold.server.get(PATH, none), "token-invalid-algorithm")

    def test_recovery(self, start_server: StartServer, clerk: Instance) -> None:
        with KeyServer() as keys, start_server(CLERK_JWT_KEY="", CLERK_JWKS_URL=keys.url) as server:
            keys.answer = FAILURES["hang"]
            check_refusal(server.get(PATH, clerk.token()), "jwks-unavailable", status=503)
            keys.serve(clerk.jwk)
            answers = _answers_until_good(server, clerk.token(), seconds=6)
            assert {answer.status_code for answer in answers} <= {200, 503}
            assert answers[-1].status_code == 200
            assert server.get("/readyz").status_code == 200


class TestStale:
    """The set is a second old at most, and Clerk is away. Its keys were good: they still are."""

    def test_known_key_stays_good(self, start_server: StartServer, clerk: Instance) -> None:
        with KeyServer(clerk.jwk) as keys:
            settings = {"CLERK_JWT_KEY": "", "CLERK_JWKS_URL": keys.url, "CLERK_JWKS_TTL": "1"}
            with start_server(**settings) as server:
                assert server.get(PATH, clerk.token()).status_code == 200
                keys.answer = FAILURES["drip"]
                time.sleep(1.1)
                asked = len(keys.requests)
                answer, seconds = _timed_get(server, clerk.token())
                assert (answer.status_code, len(keys.requests)) == (200, asked + 1)
                assert seconds < LONGEST_WAIT
                self._check_that_nobody_waits(server, clerk)
                assert len(keys.requests) == asked + 1, "failures are remembered"

    def test_whatever_fails(self, clerk: Instance) -> None:
        """The key set alone, on a clock of the test's own: after a failure it rests for 30 s."""
        now = 0.0
        fetch = partial(get_json, max_bytes=MAX_SET_BYTES)
        with KeyServer(clerk.jwk) as keys:
            known = RemoteKeySet(keys.url, 1, fetch, KeyFile("/dev/null", keys.url), clock=lambda: now)
            key = known.get(clerk.kid)
            for failure in ("500", "empty object", "200 MB", "hang"):
                keys.answer = FAILURES[failure]
                now += 31
                started_at, asked = time.monotonic(), len(keys.requests)
                assert known.get(clerk.kid) is key, failure
                assert time.monotonic() - started_at < LONGEST_WAIT, failure
                started_at = time.monotonic()
                assert known.get(clerk.kid) is key, failure
                assert time.monotonic() - started_at < 1, failure
                assert len(keys.requests) == asked + 1, failure

    def _check_that_nobody_waits(self, server: Server, clerk: Instance) -> None:
        for _ in range(20):
            answer, seconds = _timed_get(server, clerk.token())
            assert answer.status_code == 200
            assert seconds < 1
        check_refusal(server.get(PATH, forge(clerk.token())), "token-invalid-signature")
        # The key may be new: without the key server nobody can tell.
        unknown = server.get(PATH, clerk.token(headers={"kid": "ins_unknown"}))
        check_refusal(unknown, "jwks-unavailable", status=503)
