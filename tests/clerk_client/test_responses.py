"""What becomes of a response: documents, refusals, and everything that is neither."""

import gzip
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.clerk.client.http import FetchError, get_json, read_retry_after
from tests.session_tokens.key_servers import FAILURES
from tests.support.clerk_api import ApiServer, Handler, answer_with, hang_up, refuse_with

MAX_BYTES = 1000


def fetch(clerk_server: ApiServer, max_bytes: int = MAX_BYTES) -> object:
    return get_json(clerk_server.url, max_bytes=max_bytes, headers={"Authorization": "Bearer hunter1"})


def refusal(clerk_server: ApiServer, max_bytes: int = MAX_BYTES) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(clerk_server, max_bytes)
    assert isinstance(caught.value, OSError)
    return caught.value


def send_part(handler: Handler) -> None:
    """Half a response that happens to be JSON."""
    answer_with(b'{"status": "active"}', Content_Length="100")(handler)
    handler.close_connection = True


def send_chunks(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'5\r\n{"a":\r\n3\r\n 7}\r\n0\r\n\r\n')


def send_until_close(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(b'{"a": 7}')


class TestDocument:
    @pytest.mark.parametrize("length", [MAX_BYTES, MAX_BYTES + 1])
    def test_size(self, clerk_server: ApiServer, length: int) -> None:
        clerk_server.answer = answer_with("x" * (length - 2))
        if length > MAX_BYTES:
            assert "more than 1000 bytes" in str(refusal(clerk_server))
        else:
            assert fetch(clerk_server) == "x" * (length - 2)

    @pytest.mark.parametrize("answer", [send_chunks, send_until_close])
    def test_without_a_length(self, clerk_server: ApiServer, answer: object) -> None:
        clerk_server.answer = answer
        assert fetch(clerk_server) == {"a": 7}

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (FAILURES["garbage"], "other than JSON"),
            (FAILURES["not utf-8"], "other than JSON"),
            (FAILURES["nested"], "other than JSON"),
            (answer_with(gzip.compress(b"{}"), Content_Encoding="gzip"), "other than JSON"),
            (FAILURES["200 MB"], "more than 65536 bytes"),
            (send_part, "ProtocolError"),
            (hang_up, "ConnectionError"),
        ],
        ids=["garbage", "not utf-8", "nested", "gzip", "200 MB", "part", "hang up"],
    )
    def test_is_none(
        self, clerk_server: ApiServer, caplog: pytest.LogCaptureFixture, answer: object, reason: str
    ) -> None:
        """The library's error stays behind: it holds the Authorization header, and a parser's holds the body."""
        caplog.set_level(logging.DEBUG)
        clerk_server.answer = answer
        error = refusal(clerk_server, 65_536)
        assert reason in str(error)
        assert (error.status, error.__cause__, error.__context__) == (None, None, None)
        assert "hunter" not in caplog.text

    def test_nobody_there(self, clerk_server: ApiServer) -> None:
        clerk_server.stop()
        error = refusal(clerk_server)
        assert (str(error), error.__cause__, error.__context__) == ("ConnectionError", None, None)


class TestRefusal:
    @pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 403, 404, 429, 500, 503])
    def test_status(self, clerk_server: ApiServer, status: int) -> None:
        clerk_server.answer = answer_with({"errors": ["hunter2"]} if status >= 400 else b"", status)
        error = refusal(clerk_server)
        assert (str(error), error.status, error.retry_after) == (f"answered {status}", status, None)
        assert (error.__cause__, error.__context__) == (None, None)

    def test_redirect(self, clerk_server: ApiServer) -> None:
        """Its long body is not read either, though requests reads it before anybody asks."""
        sent = []

        def answer(handler: Handler) -> None:
            answer_with(b"", 302, Location="/elsewhere", Content_Length=str(200 * 1_048_576))(handler)
            for _ in range(200):
                handler.wfile.write(b" " * 1_048_576)
                sent.append(1)

        clerk_server.answer = answer
        assert refusal(clerk_server).status == 302
        assert (len(clerk_server.asked), len(sent) < 50) == (1, True)

    @pytest.mark.parametrize("code", ["resource_not_found", "x" * 64])
    def test_code(self, clerk_server: ApiServer, code: str) -> None:
        clerk_server.answer = answer_with({"errors": [{"code": code}, {"code": "other"}]}, 404)
        error = refusal(clerk_server)
        assert (error.status, error.code) == (404, code)

    @pytest.mark.parametrize(
        "body",
        [
            *[{"errors": [{"code": code}]} for code in ("x" * 65, "", "Hello <b>", "no\n", 7)],
            *[{"errors": [{}]}, {"errors": ["code"]}, {"errors": []}, {"errors": {"code": "x"}}, {"errors": None}],
            *[[], None, b"", b"<html>", b"\xff\xfe", b"[" * 60_000, b" " * 65_536 + b"{}"],
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_no_code(self, clerk_server: ApiServer, body: object) -> None:
        clerk_server.answer = answer_with(body, 404)
        error = refusal(clerk_server, 65_536)
        assert (error.status, error.code) == (404, None)

    def test_retry_after(self, clerk_server: ApiServer) -> None:
        clerk_server.answer = refuse_with("too_many_requests", 429, Retry_After="7")
        error = refusal(clerk_server)
        assert (error.retry_after, error.code) == (7, "too_many_requests")


class TestReadRetryAfter:
    def test_seconds(self) -> None:
        values = ["0", "120", "3600", "3601", "9" * 5000]
        assert [read_retry_after(value) for value in values] == [0, 120, 3600, 3600, 3600]

    def test_nonsense(self) -> None:
        values = ["", " ", "-1", "+5", "1.5", "7, 8", "1e3", "٣", "²", "soon", "GMT", "Wed, 99 Foo 2026 99:99:99 GMT"]
        assert [value for value in values if read_retry_after(value) is not None] == []

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
