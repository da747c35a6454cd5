"""The key set in a file of the node: who believes it, who writes it, and that one fetch serves all workers."""

import json
import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from backend.errors import AppError, ErrorCode
from backend.services.clerk.client.http import FetchError
from backend.services.core import key_file
from backend.services.core.jwks import RemoteKeySet
from backend.services.core.key_file import KeyFile
from backend.services.core.public_keys import MAX_SET_BYTES
from tests.session_tokens.key_servers import FAILURES
from tests.support.attacks import PATH
from tests.support.clerk import Instance, KeyServer
from tests.support.fixtures import StartApp
from tests.support.server import Server, running_server
from tests.support.traffic import get_me, in_parallel
from tests.support.waiting import wait_for

DAY = 86_400.0
LIFETIME = 3600.0
URL = "https://clerk.test/jwks"
ONE, TWO = Instance(), Instance()
SET = {"keys": [ONE.jwk]}


class Node:
    """The workers of one node, each with a key set of its own; what Clerk answers to them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.answer: object = SET
        self.fetches = 0
        self.late = 0.0  # seconds by which all clocks are ahead of the file's
        self.fetch_seconds = 0.0

    def worker(self, url: str = URL) -> RemoteKeySet:
        file = KeyFile(str(self.directory), url)
        return RemoteKeySet(url, LIFETIME, self._fetch, file, clock=lambda: time.monotonic() + self.late)

    def _fetch(self, _url: str) -> object:
        self.fetches += 1
        time.sleep(self.fetch_seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def goes_away(self) -> None:
        self.answer = FetchError("away")

    @property
    def file(self) -> Path:
        (file,) = self.directory.glob("jwks-*.json")
        return file

    def rewrite(self, **changes: object) -> None:
        """Change what the file says, as nobody but the node can."""
        self.file.write_text(json.dumps(json.loads(self.file.read_text()) | changes))

    def age(self, seconds: float) -> None:
        self.rewrite(fetched_at=time.time() - seconds)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "keys")


@pytest.fixture
def kept(node: Node) -> Node:
    """A node with a file, and Clerk has gone away since."""
    node.worker().check()
    assert node.fetches == 1
    node.goes_away()
    return node


def code(keys: RemoteKeySet, kid: str = ONE.kid) -> ErrorCode | None:
    try:
        keys.get(kid)
    except AppError as error:
        return error.code
    return None


class TestWorkerThatStarts:
    def test_while_clerk_is_away(self, kept: Node) -> None:
        assert code(kept.worker()) is None
        assert kept.fetches == 1

    @pytest.mark.parametrize(("age", "told"), [(DAY, None), (LIFETIME + DAY + 1, ErrorCode.JWKS_UNAVAILABLE)])
    def test_for_a_day(self, kept: Node, age: float, told: ErrorCode | None) -> None:
        kept.age(age)
        assert code(kept.worker()) is told
        assert kept.fetches == 2

    def test_new_key(self, kept: Node) -> None:
        """The file is no verdict on a key that it does not name, unless it is as new as an answer of Clerk's."""
        kept.answer = {"keys": [ONE.jwk, TWO.jwk]}
        assert code(kept.worker(), TWO.kid) is ErrorCode.JWK_KID_MISMATCH
        kept.age(31)
        assert code(kept.worker(), TWO.kid) is None
        assert code(kept.worker(), TWO.kid) is None
        assert kept.fetches == 2

    def test_rotated_key_ends_with_the_lifetime(self, kept: Node) -> None:
        kept.age(LIFETIME)
        kept.answer = {"keys": [TWO.jwk]}
        assert code(kept.worker()) is ErrorCode.JWK_KID_MISMATCH

    def test_of_another_instance(self, kept: Node) -> None:
        """Not even when its file gets our name."""
        other = kept.worker("https://other.test/jwks")
        assert code(other) is ErrorCode.JWKS_UNAVAILABLE
        theirs = KeyFile(str(kept.directory), "https://other.test/jwks")
        shutil.copy(kept.file, kept.directory / theirs._name)
        assert code(kept.worker("https://other.test/jwks")) is ErrorCode.JWKS_UNAVAILABLE


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link_elsewhere(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


UNSAFE: dict[str, Callable[[Path], object]] = {
    "others write it": lambda path: path.chmod(path.stat().st_mode | 0o002),
    "the group writes it": lambda path: path.chmod(path.stat().st_mode | 0o020),
    "link": link_elsewhere,
}


class TestWhatIsNotBelieved:
    @pytest.fixture(autouse=True)
    def _logs_once(self, node: Node, caplog: pytest.LogCaptureFixture) -> Any:
        """Clerk answers again: the node works as one without a file, and says why in one line."""
        yield
        node.answer = SET
        caplog.clear()
        worker = node.worker()
        assert code(worker) is None
        node.late = LIFETIME
        assert code(worker) is None
        notes = [record for record in caplog.records if record.name == key_file.__name__]
        assert [record.levelno for record in notes] == [logging.WARNING]

    @pytest.mark.parametrize("how", [*UNSAFE, "fifo"])
    def test_file(self, kept: Node, how: str) -> None:
        (UNSAFE | {"fifo": make_fifo})[how](kept.file)
        assert code(kept.worker()) is ErrorCode.JWKS_UNAVAILABLE

    @pytest.mark.parametrize("how", UNSAFE)
    def test_directory(self, kept: Node, how: str) -> None:
        UNSAFE[how](kept.directory)
        assert code(kept.worker()) is ErrorCode.JWKS_UNAVAILABLE

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    @pytest.mark.parametrize("what", ["file", "directory"])
    def test_of_another_user(self, kept: Node, what: str) -> None:
        os.chown(kept.file if what == "file" else kept.directory, 12345, -1)
        assert code(kept.worker()) is ErrorCode.JWKS_UNAVAILABLE

    @pytest.mark.parametrize("path", ["/dev/null", "/proc/keys-of-nobody", "/nowhere/at/all"])
    def test_no_place(self, node: Node, path: str) -> None:
        node.directory = Path(path)
        assert code(node.worker()) is None


class TestBrokenFile:
    @pytest.mark.parametrize(
        "text",
        [*("", "{", "null", "[]", "7", "\x00", "[" * 60_000, " " * MAX_SET_BYTES + json.dumps(SET), json.dumps(SET))],
        ids=range(9),
    )
    def test_text(self, kept: Node, text: str) -> None:
        kept.file.write_text(text)
        self._check(kept)

    @pytest.mark.parametrize("wrong", [None, True, 7, "1.0", [], 10**400, float("nan"), float("inf")], ids=repr)
    def test_time(self, kept: Node, wrong: object) -> None:
        kept.rewrite(fetched_at=wrong)
        self._check(kept)

    @pytest.mark.parametrize("wrong", [None, {}, [], {"keys": []}, {"keys": [{"kty": "oct"}]}], ids=repr)
    def test_document(self, kept: Node, wrong: object) -> None:
        kept.rewrite(document=wrong)
        self._check(kept)

    def test_from_the_future(self, kept: Node) -> None:
        """Else a clock that was wrong once would keep the set for ever."""
        kept.age(-60)
        self._check(kept)

    def _check(self, kept: Node) -> None:
        """As none; and the next answer of Clerk's replaces it."""
        assert code(kept.worker()) is ErrorCode.JWKS_UNAVAILABLE
        kept.answer = SET
        assert code(kept.worker()) is None
        kept.goes_away()
        assert code(kept.worker()) is None


class TestWriting:
    def test_modes(self, kept: Node) -> None:
        assert kept.directory.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in kept.directory.iterdir()} == {0o600}

    @pytest.mark.parametrize("answer", [{}, {"keys": []}, FetchError("away")], ids=repr)
    def test_a_failure_changes_nothing(self, kept: Node, answer: object) -> None:
        kept.age(LIFETIME)
        before = kept.file.read_bytes()
        kept.answer = answer
        assert code(kept.worker()) is None
        assert (kept.fetches, kept.file.read_bytes()) == (2, before)

    def test_atomic(self, node: Node) -> None:
        """A reader beside any number of writers finds a whole set."""
        file = KeyFile(str(node.directory), URL)
        with file.alone():
            file.write(SET)
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                with file.alone():
                    file.write(SET)

        with ThreadPoolExecutor(2) as writers:
            for _ in range(2):
                writers.submit(write)
            found = [len(file.read()[0]) for _ in range(500)]
            stop.set()
        assert found == [1] * 500


def start_together(node: Node, workers: int = 4) -> list[ErrorCode | None]:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(code, [node.worker() for _ in range(workers)]))


class TestOneFetchANode:
    def test_cold(self, node: Node) -> None:
        node.fetch_seconds = 0.5
        assert start_together(node) == [None] * 4
        assert node.fetches == 1

    def test_failure(self, node: Node) -> None:
        node.goes_away()
        node.fetch_seconds = 0.5
        assert start_together(node) == [ErrorCode.JWKS_UNAVAILABLE] * 4
        assert node.fetches == 1

    def test_refresh(self, node: Node) -> None:
        workers = [node.worker() for _ in range(4)]
        assert [code(worker) for worker in workers] == [None] * 4
        node.late = LIFETIME
        node.age(LIFETIME)
        assert [code(worker) for worker in workers] == [None] * 4
        assert node.fetches == 2

    def test_one_that_hangs_keeps_nobody(self, node: Node) -> None:
        """A worker that was stopped amid a fetch holds the lock for as long as it lives."""
        frozen = KeyFile(str(node.directory), URL)
        with frozen.alone():
            started_at = time.monotonic()
            assert start_together(node) == [None] * 4
            assert time.monotonic() - started_at < 3


class TestServer:
    def test_workers_that_restart_while_clerk_is_away(
        self, settings: dict[str, str], clerk: Instance, tmp_path: Path
    ) -> None:
        with KeyServer(clerk.jwk) as keys:
            own = settings | {"CLERK_JWT_KEY": "", "CLERK_JWKS_URL": keys.url}
            with running_server(tmp_path, own, workers=2) as server:
                self._check_all(server, clerk)
                keys.answer = FAILURES["500"]
                old = server.worker_pids()
                for pid in old:
                    os.kill(pid, signal.SIGKILL)
                wait_for(lambda: len(set(server.worker_pids()) - set(old)) == 2)
                server.hang_up()
                self._check_all(server, clerk)
                assert len(keys.requests) == 1

    def _check_all(self, server: Server, clerk: Instance) -> None:
        """Both workers, most likely: each request comes on a connection of its own, eight at a time."""
        answers = in_parallel([lambda: requests.get(server.url + "/readyz", timeout=10)] * 8)
        answers += in_parallel([lambda: get_me(server, clerk.token())] * 8)
        assert [answer.status_code for answer in answers] == [200] * 16

    def test_a_pem_touches_no_file(self, start_app: StartApp, clerk: Instance, tmp_path: Path) -> None:
        server = start_app(CLERK_JWKS_DIR=str(tmp_path / "keys"))
        assert server.get(PATH, clerk.token()).status_code == 200
        assert not (tmp_path / "keys").exists()

    def test_where_it_is_by_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        file = KeyFile("", URL)
        with file.alone():
            file.write(SET)
        assert file.read()[0].keys() == {ONE.kid}
        (private,) = tmp_path.iterdir()
        assert private.name == f"counterfoil-{os.geteuid()}"
