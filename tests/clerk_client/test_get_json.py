"""get_json: one bounded GET, whatever the other end does."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.clerk.client import http
from backend.services.clerk.client.http import FetchError, get_json, read_retry_after
from tests.session_tokens.key_servers import FAILURES, drip_body, drip_head, hang, redirect_to
from tests.support.clerk import KeyServer, answer_json
from tests.support.clerk_api import ApiServer, Handler, answer_with, refuse_with

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

    @pytest.mark.parametrize("failure", ["nobody", "garbage", "cut off"])
    def test_the_library_s_error_stays_behind(self, failure: str) -> None:
        """It holds the request with its Authorization header, and an error of the parser holds the body."""
        with KeyServer() as server:
            server.answer = FAILURES.get(failure)
            url = server.url if failure != "nobody" else "http://127.0.0.1:9/"
            with pytest.raises(FetchError) as caught:
                get_json(url, max_bytes=MAX_BYTES)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)

    def test_shortened_document(self) -> None:
        """Half an answer that happens to be JSON is still half an answer."""
        with ApiServer(answer_with({})) as server:

            def cut_off(handler: Handler) -> None:
                handler.send_response(200)
                handler.send_header("Content-Length", "100")
                handler.end_headers()
                handler.wfile.write(b'{"status": "active"}')
                handler.close_connection = True

            server.answer = cut_off
            with pytest.raises(FetchError):
                get_json(server.url, max_bytes=MAX_BYTES)

    @pytest.mark.parametrize("is_chunked", [True, False])
    def test_without_a_length(self, is_chunked: bool) -> None:
        with ApiServer() as server:

            def answer(handler: Handler) -> None:
                handler.send_response(200)
                handler.send_header(
                    *(("Transfer-Encoding", "chunked") if is_chunked else ("Connection", "close"))
                )
                handler.end_headers()
                handler.wfile.write(b'5\r\n{"a":\r\n3\r\n 7}\r\n0\r\n\r\n' if is_chunked else b'{"a": 7}')

            server.answer = answer
            assert get_json(server.url, max_bytes=MAX_BYTES) == {"a": 7}

    def test_long_redirect(self) -> None:
        """The body of a redirect is bounded too, though the library reads it before anybody asks."""
        sent = []

        def answer(handler: Handler) -> None:
            handler.send_response(302)
            handler.send_header("Location", "/elsewhere")
            handler.send_header("Content-Length", str(200 * 1_048_576))
            handler.end_headers()
            for _ in range(200):
                handler.wfile.write(b" " * 1_048_576)
                sent.append(1)

        with ApiServer(answer) as server:
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=MAX_BYTES)
            assert caught.value.status == 302
            assert len(server.asked) == 1
        assert len(sent) < 50


class TestRefusal:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"errors": [{"code": "resource_not_found"}, {"code": "other"}]}, "resource_not_found"),
            ({"errors": [{"code": "x" * 64}]}, "x" * 64),
            ({"errors": [{"code": "x" * 65}]}, None),
            ({"errors": [{"code": ""}]}, None),
            ({"errors": [{"code": "Hello <b>"}]}, None),
            ({"errors": [{"code": "no\n"}]}, None),
            ({"errors": [{"code": 7}]}, None),
            ({"errors": [{}]}, None),
            ({"errors": ["code"]}, None),
            ({"errors": []}, None),
            ({"errors": {"code": "x"}}, None),
            ({"errors": None}, None),
            ({}, None),
            ([], None),
            (None, None),
            (7, None),
            (b"", None),
            (b"<html>", None),
            (b"\xff\xfe", None),
            (b"[" * 900_000, None),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_code(self, body: object, code: str | None) -> None:
        with ApiServer(answer_with(body, 404)) as server:
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=1_000_000)
            assert (caught.value.status, caught.value.code) == (404, code)

    def test_too_long_for_a_code(self) -> None:
        with ApiServer(answer_with(b" " * MAX_BYTES + b"{}", 404)) as server:
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=MAX_BYTES)
            assert (caught.value.status, caught.value.code) == (404, None)

    @pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("soon", None), ("7, 8", None), ("-1", None)])
    def test_retry_after(self, value: str, seconds: float | None) -> None:
        with ApiServer(refuse_with("too_many_requests", 429, Retry_After=value)) as server:
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=MAX_BYTES)
            assert (caught.value.retry_after, caught.value.code) == (seconds, "too_many_requests")

    def test_no_retry_after(self) -> None:
        with ApiServer(answer_with({}, 503)) as server:
            with pytest.raises(FetchError) as caught:
                get_json(server.url, max_bytes=MAX_BYTES)
            assert caught.value.retry_after is None


class TestReadRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [("0", 0), ("120", 120), ("3600", 3600), ("3601", 3600), ("9" * 5000, 3600)],
        ids=lambda value: str(value)[:8],
    )
    def test_seconds(self, value: str, seconds: float) -> None:
        assert read_retry_after(value) == seconds

    @pytest.mark.parametrize(
        "value",
        ["", " ", "-1", "+5", "1.5", "1e3", "0x10", "٣", "²", "soon", "GMT", "Wed, 99 Foo 2026 99:99:99 GMT"],
    )
    def test_nonsense(self, value: str) -> None:
        assert read_retry_after(value) is None

    @pytest.mark.parametrize("form", ["", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"])
    @pytest.mark.parametrize(("ahead", "seconds"), [(100, 100), (-100, 0), (90_000, 3600)])
    def test_dates(self, form: str, ahead: int, seconds: float) -> None:
        """All three forms of RFC 9110 section 5.6.7."""
        at = datetime.now(UTC) + timedelta(seconds=ahead)
        value = at.strftime(form) if form else format_datetime(at, usegmt=True)
        assert read_retry_after(value) == pytest.approx(seconds, abs=2)

    @given(st.one_of(st.text(), st.text('Wed, 21 Oct 2015 07:28:00 GMT-+:()."\\9')))
    def test_anything(self, value: str) -> None:
        seconds = read_retry_after(value)
        assert seconds is None or 0 <= seconds <= 3600
