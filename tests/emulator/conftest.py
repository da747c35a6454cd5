import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from clerk_backend_api import Clerk
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from .browser import PASSWORD, Browser, Json
from .harness import EmulatorProcess, Receiver


@pytest.fixture(scope="package")
def shared_receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project") / "node_modules"


@pytest.fixture(scope="package")
def _shared_emulator(
    tmp_path_factory: pytest.TempPathFactory, shared_receiver: Receiver, bundles: Path
) -> Iterator[EmulatorProcess]:
    state = tmp_path_factory.mktemp("emulator") / "state"
    emulator = EmulatorProcess(state, shared_receiver.url, options=("--bundles", str(bundles)))
    emulator.start()
    shared_receiver.secret = emulator.keys["CLERK_WEBHOOK_SECRET"]
    yield emulator
    assert emulator.stop() == 0
    assert shared_receiver.forged == []


@pytest.fixture(scope="module")
def emulator(_shared_emulator: EmulatorProcess) -> EmulatorProcess:
    """One process for all files, since a start takes a second; each file finds it empty."""
    _shared_emulator.wait_until_all_is_told()
    _shared_emulator.call("POST", "/emulator/reset", json={"webhooks": False})
    return _shared_emulator


@pytest.fixture
def heard(shared_receiver: Receiver) -> Receiver:
    """Hear what the shared emulator sends from now on; a test that uses it waits for all its deliveries."""
    shared_receiver.deliveries.clear()
    return shared_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def own_emulator(tmp_path: Path, receiver: Receiver) -> Iterator[EmulatorProcess]:
    """Start an emulator for one test that stops it; its webhooks go to `receiver`."""
    with EmulatorProcess(tmp_path / "state", receiver.url) as emulator:
        yield emulator


@pytest.fixture
def clerk(emulator: EmulatorProcess) -> Iterator[Clerk]:
    with Clerk(bearer_auth=emulator.keys["CLERK_SECRET_KEY"], server_url=f"{emulator.url}/v1") as clerk:
        yield clerk


@pytest.fixture
def browser(emulator: EmulatorProcess) -> Iterator[Browser]:
    with Browser(emulator) as browser:
        yield browser


@pytest.fixture
def email() -> str:
    """An address that no other test uses."""
    return f"{uuid.uuid4().hex[:12]}@example.com"


@pytest.fixture
def user_id(emulator: EmulatorProcess, email: str, heard: Receiver) -> str:
    """A user whom somebody created, with PASSWORD, a first name and a username."""
    del heard  # which hears of the creation too
    user: Json = emulator.create_user(email, password=PASSWORD, first_name="Ada", username=email[:12])
    user_id: str = user["id"]
    return user_id


@pytest.fixture
def session(browser: Browser, email: str, heard: Receiver) -> Json:
    """Of a user who signed up, with PASSWORD, in `browser`."""
    del heard  # which hears of the sign-up too
    return browser.sign_up(email)


@pytest.fixture
def user(session: Json) -> Json:
    user: Json = session["user"]
    return user


@pytest.fixture
def jwt_key(emulator: EmulatorProcess) -> str:
    """The public key as the Clerk dashboard shows it, PEM."""
    [key] = emulator.call("GET", "/.well-known/jwks.json")["keys"]
    public = RSAAlgorithm.from_jwk(key)
    assert isinstance(public, RSAPublicKey)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
