"""examples/flask, with the files that examples/README.md takes along and with nothing else of ours."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import requests
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from clerk_emulator import instance as local_clerk
from clerk_emulator.keys_file import NAME, write_keys
from config import PROJECT
from tests.documentation.pages import blocks
from tests.support.attacks import check_refusal, forge
from tests.support.clerk import Instance, KeyServer
from tests.support.ports import free_port
from tests.support.waiting import wait_for

EXAMPLE = PROJECT / "examples" / "flask" / "app.py"
PAGE = "examples/README.md"
OURS = "http://localhost:8000"
ADMIN: dict[str, Any] = {"v": 1, "org_id": "org_1", "org_role": "org:admin", "org_permissions": ["org:invoices:read"]}

# Asks the application of this folder, then tells what was imported for it.
PROBE = """
import sys
before = set(sys.modules)
import json, os
import app
headers = {"Authorization": os.environ["AUTHORIZATION"]}
answer = app.app.test_client().get("/whoami", headers=headers).get_json()
imported = {name: getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - before}
print(json.dumps([answer, imported]))
"""


def command(word: str) -> str:
    """The block of the page with a line that begins with this word."""
    (block,) = (each.text for each in blocks("sh", PAGE) if re.search(rf"^{word} ", each.text, re.MULTILINE))
    return block


def environment(folder: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLERK_", "PYTHONPATH"))}
    return kept | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | settings


@pytest.fixture(scope="module")
def local() -> Instance:
    """The local Clerk instance, with a key of the tests: it also signs what the real one would not."""
    return Instance(local_clerk.FRONTEND_API_HOST)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application that took along what the page says."""
    folder = tmp_path_factory.mktemp("your-application")
    taking = command("tar").replace("~/your-application", str(folder))
    subprocess.run(["bash", "-euo", "pipefail", "-c", taking], cwd=PROJECT, check=True)
    shutil.copy(EXAMPLE, folder)
    return folder


@pytest.fixture(scope="module")
def served(application: Path, local: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. It runs as the page says, with a file of keys that the local Clerk instance wrote."""
    keys, port = tmp_path_factory.mktemp("clerk"), free_port()
    running = command("export")
    for usual, ours in (
        (".venv/bin/python", f"exec {sys.executable}"),
        (f".local/clerk/{NAME}", str(keys / NAME)),
        ("examples/flask/app", "app"),
        ("--port 3000", f"--port {port}"),
    ):
        assert running.count(usual) == 1
        running = running.replace(usual, ours)
    with KeyServer(local.jwk) as key_server, (keys / "output.log").open("wb") as output:
        identity = local_clerk.Instance(local.kid, "sk_test_x", local.webhook_secret, local.key)
        write_keys(keys, identity, key_server.url.removesuffix("/.well-known/jwks.json"))
        process = subprocess.Popen(
            ["bash", "-euc", running], cwd=application, env=environment(keys), stdout=output, stderr=output
        )
        wait_for(lambda: process.poll() is not None or b"Running on" in (keys / "output.log").read_bytes())
        assert process.poll() is None, (keys / "output.log").read_text()
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(10)


def call(method: str, url: str, token: str | None = None, **headers: str) -> requests.Response:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return requests.request(method, url, headers=headers, timeout=10)


def test_signed_in(served: str, local: Instance) -> None:
    for azp in (..., OURS):
        answer = call("GET", f"{served}/whoami", local.token(sub="user_1", sid="sess_1", azp=azp))
        assert (answer.status_code, answer.json()) == (200, {"user_id": "user_1", "session_id": "sess_1"})


def test_refused(served: str, local: Instance) -> None:
    stranger = Instance(local.host)
    stranger.kid = local.kid
    for token, code in (
        (None, "session-token-missing"),
        (forge(local.token()), "token-invalid-signature"),
        (stranger.token(), "token-invalid-signature"),
        (Instance(local.host).token(), "jwk-kid-mismatch"),
        (local.token(exp=1), "token-expired"),
        (local.token(azp="https://evil.example"), "token-invalid-authorized-parties"),
        (local.token(iss="https://evil.example"), "token-invalid-issuer"),
        ("ak_x", "token-type-mismatch"),
    ):
        check_refusal(call("GET", f"{served}/whoami", token), code)


def test_keys_of_its_own_are_left_to_it(served: str, local: Instance) -> None:
    """No API key of ours comes here: X-API-Key is whatever that application means by it."""
    answer = call("GET", f"{served}/whoami", local.token(), **{"X-API-Key": "theirs"})
    assert answer.status_code == 200


def test_organization(served: str, local: Instance) -> None:
    check_refusal(call("POST", f"{served}/members", local.token()), "forbidden", status=403)
    check_refusal(
        call("POST", f"{served}/members", local.token(**ADMIN | {"org_role": "org:x"})), "forbidden", status=403
    )
    check_refusal(call("POST", f"{served}/members"), "session-token-missing")
    answer = call("POST", f"{served}/members", local.token(**ADMIN))
    assert (answer.status_code, answer.json()) == (200, {"organization_id": "org_1"})


def test_signed_out_is_no_error(served: str, local: Instance) -> None:
    told = [call("GET", served, token).json() for token in (None, "x", local.token(sub="user_1", **ADMIN))]
    nobody = {"user_id": None, "may_read_invoices": False}
    assert told == [nobody, nobody, {"user_id": "user_1", "may_read_invoices": True}]


def test_cookie(served: str, local: Instance) -> None:
    cookie = f"__session={local.token(**ADMIN)}"
    assert call("POST", f"{served}/members", Cookie=cookie, Origin=OURS).status_code == 200
    foreign = call("POST", f"{served}/members", Cookie=cookie, Origin="https://evil.example")
    check_refusal(foreign, "csrf", status=403)


def probe(folder: Path, **settings: str) -> Any:
    result = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_nothing_else(application: Path, local: Instance, tmp_path: Path) -> None:
    """Each file that is taken along is imported. The package under another name, and the key as a PEM: no network."""
    shutil.copytree(application, tmp_path, dirs_exist_ok=True)
    (tmp_path / "backend").rename(tmp_path / "counterfoil")
    taken = {str(path) for path in tmp_path.rglob("*.py")}
    for path in map(Path, taken):
        path.write_text(re.sub(r"^from backend\.", "from counterfoil.", path.read_text(), flags=re.MULTILINE))
    token = local.token(sub="user_1", sid="sess_1", azp="https://app.example.com")
    answer, imported = probe(
        tmp_path,
        AUTHORIZATION=f"Bearer {token}",
        CLERK_PUBLISHABLE_KEY=local.publishable_key,
        CLERK_JWT_KEY=local.pem,
        CLERK_AUTHORIZED_PARTIES="https://app.example.com,https://www.example.com",
        CLERK_JWKS_URL="http://127.0.0.1:1/",
    )
    assert answer == {"user_id": "user_1", "session_id": "sess_1"}
    assert {file for file in imported.values() if file.startswith(f"{tmp_path}/")} == taken
    (sentence,) = re.findall(r"besides (.+?);", (PROJECT / PAGE).read_text())
    allowed = installed_with(re.findall(r"`(.+?)`", sentence))
    packages = packages_distributions()
    loaded = {canonicalize_name(each) for name in imported for each in packages.get(name.partition(".")[0], ())}
    assert {"flask", "pyjwt"} <= loaded <= allowed


def installed_with(named: list[str]) -> set[str]:
    """The distributions that come with these, themselves included."""
    found: set[str] = set()
    left = [Requirement(name) for name in named]
    while left:
        wanted = left.pop()
        found.add(canonicalize_name(wanted.name))
        for each in map(Requirement, requires(wanted.name) or ()):
            extras = wanted.extras or {""}
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
                left.append(each)
    return found
