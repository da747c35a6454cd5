"""ClerkApi's connections: kept, found closed, shared by many."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.client.http import MAX_IDLE, FetchError
from tests.session_tokens.key_servers import drip_body
from tests.support.clerk_api import (
    CALLS,
    DEADLINE,
    ApiServer,
    Handler,
    answer_with,
    hang_up,
    only_first,
    refuse_with,
    then_close,
)
from tests.support.server import PROJECT


class TestKeptConnections:
    def test_one_for_all(self, server: ApiServer, api: ClerkApi) -> None:
        for _ in range(5):
            for call in CALLS.values():
                call(api, "id_1")
        assert (len(server.asked), server.connections) == (25, 1)

    @pytest.mark.parametrize(
        "answer",
        [
            refuse_with("resource_not_found", 404),
            refuse_with("too_many_requests", 429),
            answer_with({}, 500),
            answer_with({}, 307, Location="/elsewhere"),
            answer_with(b"<html>"),
        ],
        ids=["404", "429", "500", "307", "html"],
    )
    def test_after_a_refusal(self, server: ApiServer, api: ClerkApi, answer: object) -> None:
        server.answer = answer
        for _ in range(3):
            with pytest.raises(FetchError):
                api.get_user("user_1")
        assert (len(server.asked), server.connections) == (3, 1)

    def test_not_after_too_much(self, server: ApiServer, api: ClerkApi) -> None:
        """What is left of a long answer never becomes the beginning of the next one."""
        server.answer = answer_with(b" " * 5_000_000 + b"{}")
        with pytest.raises(FetchError, match="bytes"):
            api.get_user("user_1")
        server.answer = answer_with({"id": "second"})
        assert api.get_user("user_1") == {"id": "second"}
        assert server.connections == 2

    def test_not_after_an_announced_end(self, server: ApiServer, api: ClerkApi) -> None:
        """We close our end too, and at once: the server may be waiting for that."""
        ended = threading.Event()

        def answer(handler: Handler) -> None:
            answer_with({}, Connection="close")(handler)
            if handler.rfile.read(1) == b"":
                ended.set()

        server.answer = answer
        api.get_user("user_1")
        assert ended.wait(2)
        api.get_user("user_1")
        assert server.connections == 2

    @pytest.mark.parametrize("call", CALLS)
    def test_closed_while_idle(self, server: ApiServer, api: ClerkApi, call: str) -> None:
        """Seen before anything is sent, so a POST is safe as well."""
        server.answer = then_close(answer_with({}))
        for _ in range(3):
            CALLS[call](api, "id_1")
            time.sleep(0.05)
        assert (len(server.asked), server.connections) == (3, 3)

    @pytest.mark.parametrize("call", CALLS)
    def test_closed_as_the_request_comes(self, server: ApiServer, api: ClerkApi, call: str) -> None:
        """A GET is asked again. Nobody knows whether a POST has arrived, so it is not."""
        server.answer = only_first(answer_with({}))
        api.get_user("user_1")
        if call.startswith("GET"):
            assert CALLS[call](api, "id_1") == {}
            assert (len(server.asked), server.connections) == (3, 2)
        else:
            with pytest.raises(FetchError):
                CALLS[call](api, "id_1")
            assert (len(server.asked), server.connections) == (2, 1)

    @pytest.mark.parametrize("call", CALLS)
    def test_hang_up(self, server: ApiServer, api: ClerkApi, call: str) -> None:
        """On a fresh connection no answer means that there is none: asked once."""
        server.answer = hang_up
        with pytest.raises(FetchError):
            CALLS[call](api, "id_1")
        assert len(server.asked) == 1

    def test_asked_twice_at_most(self, server: ApiServer, api: ClerkApi) -> None:
        api.get_user("user_1")
        server.answer = hang_up
        with pytest.raises(FetchError):
            api.get_user("user_1")
        assert len(server.asked) == 3

    @pytest.mark.usefixtures("short")
    def test_idle_longer_than_the_deadline(self, server: ApiServer, api: ClerkApi) -> None:
        for _ in range(3):
            api.get_user("user_1")
            time.sleep(DEADLINE * 1.3)
        assert (len(server.asked), server.connections) == (3, 1)

    @pytest.mark.usefixtures("short")
    def test_a_later_call_has_its_own_time(self, server: ApiServer, api: ClerkApi) -> None:
        """Each takes most of the deadline, and together they take several."""

        def slow(handler: Handler) -> None:
            time.sleep(DEADLINE * 0.6)
            answer_with({})(handler)

        server.answer = slow
        for _ in range(4):
            api.get_user("user_1")
        assert server.connections == 1

    def test_many_at_once(self, server: ApiServer, api: ClerkApi) -> None:
        """Each gets its own answer. Later calls use the connections that were made, and not all are kept."""

        def name(handler: Handler) -> None:
            time.sleep(0.05)
            answer_with({"id": handler.path.rpartition("/")[2]})(handler)

        server.answer = name
        count = MAX_IDLE + 4
        with ThreadPoolExecutor(count) as pool:
            for number in range(5):
                ids = [f"user_{number}x{index}" for index in range(count)]
                assert list(pool.map(api.get_user, ids)) == [{"id": id_} for id_ in ids]
        assert len(api._client._idle) == MAX_IDLE
        assert server.connections <= count + 4 * 4


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import json, sys, time
import gevent
from gevent.pool import Pool
from backend.services.clerk.client import http
from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.client.http import FetchError

http.DEADLINE_SECONDS = 1.0
api = ClerkApi(sys.argv[1], "sk_test_of_the_backend_api")
ids = [f"user_{number}" for number in range(20)]
started_at = time.monotonic()
answers = Pool(20).map(api.get_user, ids)
together = time.monotonic() - started_at
again = [api.get_user("user_x")["id"] for _ in range(3)]

def outcome(limit):
    started_at = time.monotonic()
    try:
        with gevent.Timeout(limit, BaseException):
            api.get_user("drip")
    except BaseException as error:
        return type(error).__name__, time.monotonic() - started_at

print(json.dumps({
    "own": [answer["id"] for answer in answers] == ids,
    "together": together,
    "again": again,
    "deadline": outcome(5),
    "given_up": outcome(0.3),
    "after": api.get_user("user_y")["id"],
}))
"""


class TestGreenlets:
    def test_under_gevent(self, server: ApiServer) -> None:
        """As in gunicorn's worker: nothing blocks the others, and a request's own deadline ends the call."""
        dripping = threading.Event()

        def answer(handler: Handler) -> None:
            name = handler.path.rpartition("/")[2]
            if name != "drip":
                time.sleep(0.2)
                answer_with({"id": name})(handler)
                return
            try:
                drip_body(handler)
            except OSError:
                dripping.set()

        server.answer = answer
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", GREENLETS, server.url],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["own"]
        assert told["together"] < 2
        assert (told["again"], told["after"]) == (["user_x"] * 3, "user_y")
        assert told["deadline"][0] == "FetchError"
        assert 0.9 < told["deadline"][1] < 2
        assert told["given_up"][0] == "BaseException"
        assert told["given_up"][1] < 0.9
        assert server.connections <= 22
        assert dripping.is_set()
