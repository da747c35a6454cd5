"""deploy/nginx.conf in a real nginx, in front of a real gunicorn. Where none is installed, a skip."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from backend.app import MAX_BODY_BYTES
from config import PROJECT
from tests.support.certificates import make_certificate
from tests.support.ports import free_ports
from tests.support.server import Server, running_server
from tests.support.waiting import wait_for

SITE = PROJECT / "deploy" / "nginx.conf"
# Every address of 127.0.0.0/8 is this machine: nginx and its client need not have the same.
CLIENT, PROXY = "127.0.0.5", "127.0.0.1"
STRANGER = "203.0.113.9"
AROUND = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types; access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Nginx(NamedTuple):
    """`http`, `https`: its two ports. `client`: somebody at CLIENT."""

    http: int
    https: int
    client: requests.Session

    def get(self, path: str, **headers: str) -> requests.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(f"https://localhost:{self.https}{path}", headers=names, timeout=30)


class From(HTTPAdapter):
    """Connections from another address of this machine."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(CLIENT, 0), **options)


@pytest.fixture(scope="module")
def behind(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = settings | {"TRUSTED_PROXIES": "1"}
    with running_server(tmp_path_factory.mktemp("behind"), own, app="tests.deployment.seen:app") as running:
        yield running


@pytest.fixture(scope="module")
def nginx(behind: Server) -> Iterator[Nginx]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (apt install nginx-light)")
    # Not below pytest's own folder: as root, nginx keeps large bodies as another user.
    folder = Path(tempfile.mkdtemp(prefix="nginx-"))
    folder.chmod(0o755)
    certificate = make_certificate(folder)
    plain, encrypted = free_ports(2)
    text = SITE.read_text()
    for written, here in (
        ("server app:8000;", f"server {urlsplit(behind.url).netloc};"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{encrypted} ssl;"),
        ("listen [::]:80;", ""),
        ("listen [::]:443 ssl;", ""),
        ("/etc/nginx/certificates/fullchain.pem", str(certificate)),
        ("/etc/nginx/certificates/privkey.pem", str(certificate)),
    ):
        assert text.count(written) == 1, written
        text = text.replace(written, here)
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    command = (program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"))
    tried = subprocess.run((*command, "-t"), capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    assert "[warn]" not in tried.stderr
    process = subprocess.Popen(command)
    client = requests.Session()
    client.trust_env = False
    client.verify = str(certificate)
    client.mount("https://", From())
    try:
        wait_for(lambda: _accepts(encrypted))
        yield Nginx(plain, encrypted, client)
    finally:
        client.close()
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _accepts(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection((PROXY, port)).close()
        return True
    return False


class TestClient:
    def test_its_address_is_known(self, nginx: Nginx) -> None:
        seen = nginx.get("/seen").json()
        assert (seen["client"], seen["scheme"]) == (CLIENT, "https")

    def test_what_it_says_of_itself_is_not_believed(self, nginx: Nginx) -> None:
        told = {"X_Forwarded_For": STRANGER, "X_Forwarded_Proto": "http", "X_Real_IP": STRANGER, "Forwarded": "for=x"}
        seen = nginx.get("/seen", **told, X_Forwarded_Host="evil.example").json()
        assert (seen["client"], seen["scheme"]) == (CLIENT, "https")
        assert seen["host"] == "localhost"

    def test_several_lines_count_as_one(self, behind: Server, server: Server) -> None:
        """Of proxies that add a line of their own, the last one is ours."""
        assert _told(behind, STRANGER, CLIENT) == CLIENT
        assert _told(behind, f"{STRANGER}, {STRANGER}", CLIENT) == CLIENT
        assert _told(behind, f"{STRANGER}, {CLIENT}") == CLIENT
        assert server.get("/seen").status_code == 404


def _told(server: Server, *lines: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    connection.putrequest("GET", "/seen")
    for line in lines:
        connection.putheader("X-Forwarded-For", line)
    connection.endheaders()
    with connection.getresponse() as answer:
        client = re.search(rb'"client":"([^"]+)"', answer.read())
    connection.close()
    assert client
    return client[1].decode()


class TestRequestId:
    def test_is_made(self, nginx: Nginx) -> None:
        answer = nginx.get("/seen")
        assert re.fullmatch(r"[0-9a-f]{32}", answer.json()["request_id"])
        assert answer.headers["X-Request-ID"] == answer.json()["request_id"]

    def test_of_the_caller_is_kept(self, nginx: Nginx) -> None:
        assert nginx.get("/seen", X_Request_ID="order-12").headers["X-Request-ID"] == "order-12"

    def test_that_is_no_word_is_not(self, nginx: Nginx) -> None:
        assert re.fullmatch(r"[0-9a-f]{16}", nginx.get("/seen", X_Request_ID="a b").headers["X-Request-ID"])


class TestLimits:
    """The application refuses in its own words, so nginx lets through what it takes."""

    def test_a_long_token(self, nginx: Nginx) -> None:
        answer = nginx.get("/auth/me", Authorization=f"Bearer {'x' * 12_000}")
        assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")

    def test_a_large_body(self, nginx: Nginx) -> None:
        url = f"https://localhost:{nginx.https}/api/webhooks"
        headers = {"svix-id": "msg_1", "svix-timestamp": str(int(time.time())), "svix-signature": "v1,x"}
        answer = nginx.client.post(url, data=b"x" * (MAX_BODY_BYTES + 1), headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload-too-large")


def test_compresses_scripts_and_no_answers(nginx: Nginx) -> None:
    sent = {path: nginx.get(path).headers.get("Content-Encoding") for path in ("/docs/swagger_bundle.js", "/seen")}
    assert sent == {"/docs/swagger_bundle.js": "gzip", "/seen": None}


def test_sends_to_https(nginx: Nginx) -> None:
    answer = requests.get(f"http://{PROXY}:{nginx.http}/seen?a=b", allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{PROXY}/seen?a=b")
