"""get_json: one bounded GET, whatever the other end does."""

import threading
import time

import pytest

from backend.services.core import http
from backend.services.core.http import FetchError, get_json
from tests.security.key_servers import FAILURES, drip_body, drip_head, hang, redirect_to
from tests.support.clerk import KeyServer, answer_json

MAX_BYTES = 1000


class TestGetJson:
    def test_good(self) -> None:
        with KeyServer({"kid": "x"}) as server:
            assert get_json(server.url, max_bytes=MAX_BYTES) == {"keys": [{"kid": "x"}]}

    @pytest.mark.parametrize(("length", "is_taken"), [(MAX_BYTES, True), (MAX_BYTES + 1, False)])
    def test_size(self, length: int, is_taken: bool) -> None:
        with KeyServer() as server:
            server.answer = answer_json(b'"' + b"x" * (length - 2) + b'"')
            if is_taken:
                assert get_json(server.url, max_bytes=MAX_BYTES) == "x" * (length - 2)
            else:
                with pytest.raises(FetchError, match="bytes"):
                    get_json(server.url, max_bytes=MAX_BYTES)

    def test_redirect(self) -> None:
        with KeyServer() as server, KeyServer() as elsewhere:
            server.answer = redirect_to(elsewhere.url)
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=MAX_BYTES)
            assert caught.value.status == 302
            assert elsewhere.requests == []

    @pytest.mark.parametrize("status", [204, 206, 304, 400, 403, 404, 429, 500, 503])
    def test_status(self, status: int) -> None:
        with KeyServer() as server:
            server.answer = answer_json({"keys": []}, status)
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=MAX_BYTES)
            assert caught.value.status == status

    @pytest.mark.parametrize("failure", ["garbage", "not utf-8", "nested", "cut off", "200 MB"])
    def test_body(self, failure: str) -> None:
        with KeyServer() as server:
            server.answer = FAILURES[failure]
            with pytest.raises(FetchError):
                get_json(server.url, max_bytes=65_536)

    @pytest.mark.parametrize("answer", [hang, drip_body, drip_head])
    def test_deadline(self, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
        """For the whole of it: a time limit for each byte lets a slow server hold on for ever."""
        monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.5)
        with KeyServer() as server:
            server.answer = answer
            ended = threading.Event()

            def fetch() -> None:
                with pytest.raises(FetchError):
                    get_json(server.url, max_bytes=65_536)
                ended.set()

            started_at = time.monotonic()
            threading.Thread(target=fetch, daemon=True).start()
            assert ended.wait(3), f"still fetching after {time.monotonic() - started_at:.0f} s"

    def test_nobody_there(self) -> None:
        with KeyServer() as server:
            url = server.url
        with pytest.raises(FetchError):
            get_json(url, max_bytes=MAX_BYTES)

    def test_secrets_stay_out_of_the_error(self) -> None:
        with KeyServer() as server:
            server.answer = answer_json({"errors": ["hunter2"]}, 500)
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=MAX_BYTES, headers={"Authorization": "Bearer hunter1"})
            assert "hunter" not in str(caught.value)
            assert server.requests[0]["Authorization"] == "Bearer hunter1"
