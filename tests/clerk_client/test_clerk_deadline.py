"""ClerkApi's deadline: for the whole of a call, and for the thread behind it."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.client.http import FetchError
from tests.session_tokens.key_servers import drip_body, drip_head, hang
from tests.support.clerk_api import (
    DEADLINE,
    SECRET_KEY,
    ApiServer,
    answer_with,
    only_first,
    open_api,
)


def fetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fetch"]


def expect_no_thread_left(seconds: float = 1.5) -> None:
    ends_at = time.monotonic() + seconds
    while fetching():
        assert time.monotonic() < ends_at, "a call that was given up goes on"
        time.sleep(0.02)


class TestDeadline:
    @pytest.mark.usefixtures("short")
    @pytest.mark.parametrize("is_kept", [False, True])
    @pytest.mark.parametrize("answer", [hang, drip_body, drip_head])
    def test_answer(self, server: ApiServer, api: ClerkApi, answer: object, is_kept: bool) -> None:
        """For the whole of it, and the thread behind it ends too, on a fresh and on a kept connection."""
        if is_kept:
            api.get_user("user_1")
        server.answer = answer
        started_at = time.monotonic()
        # The end of the one read and that of the whole call come together: a busy machine may see either first.
        with pytest.raises(FetchError, match=r"longer than|Timeout"):
            api.get_user("user_1")
        assert time.monotonic() - started_at < DEADLINE * 2
        expect_no_thread_left()
        server.answer = answer_with({"id": "next"})
        assert api.get_user("user_1") == {"id": "next"}

    @pytest.mark.usefixtures("short")
    @pytest.mark.parametrize("answer", [drip_body, drip_head])
    def test_through_a_proxy(
        self, server: ApiServer, monkeypatch: pytest.MonkeyPatch, answer: object
    ) -> None:
        monkeypatch.setenv("http_proxy", server.url)
        with open_api("http://clerk.invalid") as api:
            assert api.get_user("user_1") == {"id": "x"}
            assert api.get_user("user_1") == {"id": "x"}
            assert (server.asked[0].path, server.connections) == ("http://clerk.invalid/v1/users/user_1", 1)
            server.answer = answer
            with pytest.raises(FetchError, match="longer than"):
                api.get_user("user_1")
            expect_no_thread_left()

    @pytest.mark.usefixtures("short")
    def test_tls_handshake(self) -> None:
        """A byte now and then, before there is any TLS to speak of."""
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def drip() -> None:
                accepted, _ = listener.accept()
                with accepted:
                    try:
                        accepted.sendall(b"\x16\x03\x03\x3f\x00")
                        for _ in range(60):
                            accepted.sendall(b"\x02")
                            time.sleep(0.1)
                    except OSError:
                        return

            threading.Thread(target=drip, daemon=True).start()
            with pytest.raises(FetchError, match="longer than"):
                ClerkApi(f"https://127.0.0.1:{listener.getsockname()[1]}", SECRET_KEY).get_user("user_1")
            expect_no_thread_left()

    @pytest.mark.usefixtures("short")
    def test_given_up_before_there_is_a_connection(
        self, server: ApiServer, api: ClerkApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name that is found too late: nothing is sent any more."""
        look_up = socket.getaddrinfo

        def look_up_slowly(*arguments: object, **options: object) -> object:
            time.sleep(DEADLINE * 2)
            return look_up(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)
        with pytest.raises(FetchError, match="longer than"):
            api.revoke_session("sess_1")
        expect_no_thread_left()
        assert server.asked == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return path


class TestTls:
    @pytest.fixture
    def tls_server(self, certificate: Path) -> Iterator[ApiServer]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        with ApiServer(answer_with({"id": "x"}), tls=context) as server:
            server.url = server.url.replace("127.0.0.1", "localhost")
            yield server

    @pytest.fixture
    def tls_api(
        self, tls_server: ApiServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[ClerkApi]:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with open_api(tls_server.url) as api:
            yield api

    def test_kept(self, tls_server: ApiServer, tls_api: ClerkApi) -> None:
        for _ in range(3):
            assert tls_api.get_user("user_1") == {"id": "x"}
        assert tls_server.connections == 1

    def test_closed_meanwhile(self, tls_server: ApiServer, tls_api: ClerkApi) -> None:
        tls_server.answer = only_first(answer_with({"id": "x"}))
        for _ in range(3):
            assert tls_api.get_user("user_1") == {"id": "x"}
        assert tls_server.connections == 3

    @pytest.mark.usefixtures("short")
    def test_drip(self, tls_server: ApiServer, tls_api: ClerkApi) -> None:
        tls_api.get_user("user_1")
        tls_server.answer = drip_body
        with pytest.raises(FetchError, match="longer than"):
            tls_api.get_user("user_1")
        expect_no_thread_left()

    def test_unknown_certificate(self, tls_server: ApiServer) -> None:
        with pytest.raises(FetchError, match="SSLError"):
            ClerkApi(tls_server.url, SECRET_KEY).get_user("user_1")
        assert tls_server.asked == []
