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


@pytest.fixture(scope="module")
def shared_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def emulator(
    tmp_path_factory: pytest.TempPathFactory, shared_receiver: Receiver
) -> Iterator[EmulatorProcess]:
    """Share one emulator among the tests of a file, since a start takes a second; each uses its own users."""
    emulator = EmulatorProcess(tmp_path_factory.mktemp("emulator") / "state", shared_receiver.url)
    emulator.start()
    shared_receiver.secret = emulator.keys["CLERK_WEBHOOK_SECRET"]
    yield emulator
    assert emulator.stop() == 0
    assert shared_receiver.forged == []


@pytest.fixture
def heard(shared_receiver: Receiver) -> Receiver:
    """Hear what the shared emulator sends from now on; a test that uses it waits for all its deliveries."""
    shared_receiver.deliveries.clear()
    return shared_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def own_emulator(tmp_path: Path, receiver: Receiver) -> Iterator[EmulatorProcess]:
    """Start an emulator for one test that stops it; its webhooks go to `receiver`."""
    emulator = EmulatorProcess(tmp_path / "state", receiver.url)
    emulator.start()
    yield emulator
    emulator.stop()


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
    """A user whom somebody created, with PASSWORD and a username."""
    del heard  # which hears of the creation too
    user_id: str = emulator.create_user(email, password=PASSWORD, username=email[:12])["id"]
    return user_id


@pytest.fixture
def user(browser: Browser, email: str, heard: Receiver) -> Json:
    """A user who signed up, with PASSWORD, in `browser`."""
    del heard  # which hears of the sign-up too
    user: Json = browser.sign_up(email)["user"]
    return user


@pytest.fixture
def jwt_key(emulator: EmulatorProcess) -> str:
    """The public key as the Clerk dashboard shows it, PEM."""
    [key] = emulator.call("GET", "/.well-known/jwks.json")["keys"]
    public = RSAAlgorithm.from_jwk(key)
    assert isinstance(public, RSAPublicKey)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
