"""The memory of verified tokens: bounded, tied to the key, never beyond the end of a token."""

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from backend.errors import AppError, ErrorCode
from backend.services.core import clerk_service
from backend.services.core.claims import ClaimRules
from backend.services.core.clerk_service import ClerkService
from backend.services.core.jwks import PemKey
from tests.support.clerk import Instance

INSTANCE = Instance()


class CountingKey:
    """A public key that counts its signature checks."""

    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key
        self.checks = 0

    def verify(self, *arguments: Any) -> None:
        self.checks += 1
        self._key.verify(*arguments)


class Source(PemKey):
    """A key source with one key, until it is withdrawn."""

    def __init__(self) -> None:
        super().__init__(INSTANCE.pem)
        self.key = CountingKey(INSTANCE.key.public_key())
        self.fault: AppError | None = None

    def get(self, kid: str | None) -> Any:  # noqa: ARG002
        if self.fault is not None:
            raise self.fault
        return self.key


class Bench:
    """A service on a clock of its own."""

    def __init__(self) -> None:
        self.now = time.time()
        self.source = Source()
        rules = ClaimRules(issuers=frozenset({INSTANCE.issuer}))
        self.service = ClerkService(self.source, rules, clock=lambda: self.now)

    def code(self, token: str) -> ErrorCode | None:
        try:
            self.service.verify(token)
        except AppError as error:
            return error.code
        return None

    @property
    def checks(self) -> int:
        return self.source.key.checks


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestMemory:
    def test_saves_the_signature_check(self, bench: Bench) -> None:
        token = INSTANCE.token(sub="user_1", sid="sess_1", act={"sub": "user_2"})
        first = bench.service.verify(token)
        assert [bench.service.verify(token) for _ in range(5)] == [first] * 5
        assert (first.clerk_user_id, first.session_id, first.actor) == ("user_1", "sess_1", "user_2")
        assert bench.checks == 1

    def test_of_one_token_says_nothing_of_another(self, bench: Bench) -> None:
        token = INSTANCE.token()
        assert bench.code(token) is None
        head, _, signature = token.rpartition(".")
        for other in (f"{head}.{signature[:-2]}AA", f"{head}.", f"{token}.", f"{token}=", token[:-1]):
            assert bench.code(other) is not None

    def test_refusals_are_not_remembered(self, bench: Bench) -> None:
        token = INSTANCE.token(nbf=bench.now + 60, exp=bench.now + 120)
        assert bench.code(token) is ErrorCode.TOKEN_NOT_ACTIVE_YET
        bench.now += 60
        assert bench.code(token) is None

    def test_is_bounded(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clerk_service, "MAX_REMEMBERED", 3)
        tokens = [INSTANCE.token(sub=f"user_{number}") for number in range(5)]
        for token in tokens:
            assert bench.code(token) is None
        for token in tokens[2:]:
            assert bench.code(token) is None
        assert bench.checks == 5, "the newest three are remembered"
        assert bench.code(tokens[0]) is None
        assert bench.checks == 6, "the oldest is not"

    def test_bound_is_that_of_a_busy_server(self) -> None:
        assert 1_000 <= clerk_service.MAX_REMEMBERED <= 100_000


class TestEnd:
    @pytest.mark.parametrize("is_remembered", [True, False])
    def test_to_the_instant(self, bench: Bench, is_remembered: bool) -> None:
        """`exp` itself and five seconds more: not one instant longer because somebody used the token before."""
        token = INSTANCE.token(exp=bench.now + 60)
        if is_remembered:
            assert bench.code(token) is None
        bench.now += 64.99
        assert bench.code(token) is None
        bench.now += 0.01
        assert bench.code(token) is ErrorCode.TOKEN_EXPIRED

    @pytest.mark.parametrize(
        ("name", "code"), [("nbf", ErrorCode.TOKEN_NOT_ACTIVE_YET), ("iat", ErrorCode.TOKEN_IAT_IN_THE_FUTURE)]
    )
    def test_beginning_to_the_instant(self, bench: Bench, name: str, code: ErrorCode) -> None:
        claims: dict[str, Any] = {name: bench.now + 5.01}
        token = INSTANCE.token(**claims)
        assert bench.code(token) is code
        bench.now += 0.02
        assert bench.code(token) is None


class TestKey:
    def test_withdrawn(self, bench: Bench) -> None:
        token = INSTANCE.token()
        assert bench.code(token) is None
        bench.source.fault = AppError(ErrorCode.JWK_KID_MISMATCH, "gone")
        assert bench.code(token) is ErrorCode.JWK_KID_MISMATCH

    def test_replaced(self, bench: Bench) -> None:
        token = INSTANCE.token()
        assert bench.code(token) is None
        bench.source.key = CountingKey(Instance().key.public_key())
        assert bench.code(token) is ErrorCode.TOKEN_INVALID_SIGNATURE
