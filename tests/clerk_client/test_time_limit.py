"""The time limit of a call: 3 s, or what is left of the request."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from backend.deadline import Deadline
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.http import FetchError
from tests.clerk_client.conftest import LIMIT
from tests.session_tokens.key_servers import drip_body, hang
from tests.support.clerk_api import SECRET_KEY, ApiServer, Handler, answer_with


def hang_in_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    hang(handler)


def hang_in_body(handler: Handler) -> None:
    answer_with(b"{", Content_Length="100")(handler)
    hang(handler)


@contextmanager
def request(seconds: float) -> Iterator[None]:
    """One that has so much time left."""
    deadline = Deadline(seconds)
    try:
        yield
    finally:
        deadline.end()


def time_out(api: BackendApi, reason: str = r"too long|Timeout") -> float:
    """The seconds that it takes."""
    started_at = time.monotonic()
    with pytest.raises(FetchError, match=reason):
        api.get_user("user_1")
    return time.monotonic() - started_at


@pytest.mark.usefixtures("short")
class TestLimit:
    @pytest.mark.parametrize("answer", [hang, hang_in_head, hang_in_body, drip_body])
    def test_response(self, clerk_server: ApiServer, api: BackendApi, answer: object) -> None:
        """The connection is not used again: what is late on it would be taken for the next response."""
        assert api.get_user("user_1") == {"id": "x"}
        clerk_server.answer = answer
        assert LIMIT * 0.9 < time_out(api) < LIMIT * 2
        clerk_server.answer = answer_with({"id": "next"})
        assert api.get_user("user_1") == {"id": "next"}
        assert clerk_server.connections == 2

    def test_drip_in_a_refusal(self, clerk_server: ApiServer, api: BackendApi) -> None:
        """The status is known."""

        def drip(handler: Handler) -> None:
            answer_with(b"{", 404, Content_Length="100")(handler)
            for _ in range(30):
                time.sleep(0.1)
                handler.wfile.write(b" ")

        clerk_server.answer = drip
        assert time_out(api, "answered 404") < LIMIT * 2

    def test_tls(self) -> None:
        """A server that accepts the connection and says nothing."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            assert time_out(BackendApi(f"https://127.0.0.1:{listener.getsockname()[1]}", SECRET_KEY)) < LIMIT * 2


class TestRequestDeadline:
    @pytest.mark.parametrize("answer", [hang, drip_body])
    def test_is_nearer(self, clerk_server: ApiServer, api: BackendApi, answer: object) -> None:
        clerk_server.answer = answer
        with request(LIMIT):
            assert time_out(api) < LIMIT * 2

    def test_is_over(self, clerk_server: ApiServer, api: BackendApi) -> None:
        """Nothing is sent any more."""
        with request(-1), pytest.raises(FetchError, match="too long"):
            api.revoke_session("sess_1", "user_1")
        assert clerk_server.asked == []
