"""An npm registry with packages of the tests' own, so that what npm fetches needs no network."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import unquote


def archive(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """What npm packs: a tar file, compressed. The names are taken as they are."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return packed.getvalue()


def sha512(content: bytes) -> str:
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


class Registry:
    """Serves one version of each package, and counts the archives that were fetched."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self._archives: dict[str, tuple[str, bytes]] = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = owner._answer(unquote(self.path))
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, name: str, version: str, packed: bytes) -> None:
        self._archives[name] = (version, packed)

    def _answer(self, path: str) -> bytes:
        name = path.removeprefix("/").removesuffix(".tgz")
        if name not in self._archives:
            return b""
        version, packed = self._archives[name]
        if path.endswith(".tgz"):
            self.fetched.append(name)
            return packed
        dist = {"tarball": f"{self.url}/{name}.tgz", "integrity": f"sha512-{sha512(packed)}"}
        manifest = {"name": name, "version": version, "dist": dist}
        return json.dumps({"name": name, "dist-tags": {"latest": version}, "versions": {version: manifest}}).encode()

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
