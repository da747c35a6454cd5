"""Shared secrets: every random one is good, whatever is short, published, copied or typed in a row is not."""

import base64
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from settings import weak_secrets
from settings.keys import symmetric_secret_bytes
from tests.legacy_tokens.old_application import as_base64, secret_refusal

# The same in each process: pytest-xdist compares the names of the tests, and these are part of some.
SOURCE = random.Random(1)


class TestBytes:
    def test_text(self) -> None:
        assert symmetric_secret_bytes(SecretStr("pässword")) == "pässword".encode()

    def test_any_bytes_of_the_environment(self) -> None:
        raw = bytes(range(128, 192))
        assert symmetric_secret_bytes(SecretStr(raw.decode("utf-8", "surrogateescape"))) == raw

    @given(st.binary(min_size=1))
    def test_base64(self, data: bytes) -> None:
        """Either alphabet, padded or not."""
        for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            for text in (encoded.decode(), encoded.decode().rstrip("=")):
                assert symmetric_secret_bytes(SecretStr(f"base64:{text}")) == data

    def test_no_base64(self) -> None:
        for text in ("", "=", "A", "AAAAA", "AAAA AAAA", "AAAA\n", "a.b", "é", "AA=A", "AAA==="):
            with pytest.raises(ValueError, match="has no base64"):
                symmetric_secret_bytes(SecretStr(f"base64:{text}"))


class TestRandom:
    @given(st.integers(0, 2**64))
    def test_is_good(self, seed: int) -> None:
        source = random.Random(seed)
        for value in (
            source.randbytes(32).hex(),
            source.randbytes(16).hex(),
            base64.urlsafe_b64encode(source.randbytes(32)).decode().rstrip("="),
            base64.b64encode(source.randbytes(64)).decode(),
            as_base64(source.randbytes(32)),
            as_base64(source.randbytes(512)),
            "".join(source.choice(string.printable[:94]) for _ in range(32)),
            "".join(source.choice(string.punctuation) for _ in range(40)),
        ):
            assert secret_refusal(value) is None, value

    def test_others_that_are_good(self) -> None:
        """Some old secrets cannot be chosen anew; only what is certainly known is refused."""
        for value in (
            "my-app-jwt-secret-key-" + SOURCE.randbytes(16).hex(),
            "the-jwt-secret-key-of-this-application-in-production-" + SOURCE.randbytes(8).hex(),
            "correct-horse-battery-staple-mellow-orbit",
            "Die Würde des Menschen ist unantastbar.",
            SOURCE.randbytes(40).decode("utf-8", "surrogateescape"),
            "\u6771\u4eac\u90fd\u5343\u4ee3\u7530\u533a\u971e\u304c\u95a2\u4e00\u4e01\u76ee",
        ):
            assert secret_refusal(value) is None, value


class TestShort:
    def test_is_refused(self) -> None:
        words = ("", "secret", "your-256-bit-secret", "base64:", "hunter2hunter2hunter2", as_base64(b""))
        for value in (*words, as_base64(SOURCE.randbytes(31))):
            assert secret_refusal(value) is not None, value

    def test_counts_bytes(self) -> None:
        assert secret_refusal("\u6771" * 10 + "x") == "must have at least 32 bytes"
        assert secret_refusal(SOURCE.randbytes(16).hex()[:31]) == "must have at least 32 bytes"


PUBLISHED_HEX = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"


class TestPublished:
    @pytest.mark.parametrize("key", weak_secrets.PUBLISHED)
    def test_is_refused(self, key: str) -> None:
        """In any spelling, as text and decoded."""
        for spelling in (key, key.upper(), key.replace("-", "+").replace("_", "/") + "="):
            assert "example" in (secret_refusal(spelling) or "")
            assert "example" in (secret_refusal(as_base64(spelling.encode())) or "")
        assert "example" in (secret_refusal(f"base64:{key}") or "")

    def test_decoded_from_hexadecimal(self) -> None:
        assert "example" in (secret_refusal(as_base64(bytes.fromhex(PUBLISHED_HEX))) or "")

    def test_one_letter_more_or_less_is_another(self) -> None:
        assert secret_refusal(PUBLISHED_HEX + "0") is None
        assert secret_refusal(PUBLISHED_HEX[1:]) is None


TEMPLATES = (
    "a-string-secret-at-least-256-bits-long",
    "A_String_Secret_At_Least_256_Bits_Long",
    "a valid string secret that is at least 512 bits long which is very long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "change-me-in-production-min-32-chars-long",
    "CHANGE_THIS_IN_PRODUCTION_TO_RANDOM_STRING",
    "change-this-to-a-secure-secret-key-min-32-chars",
    "please-change-this-secret-key-before-use",
    "your-secret-key-here-your-secret-key-here-1",
    "your-super-secret-jwt-key-change-this-in-production",
    "yourverysecretkeychangeitinproduction",
    "test-secret-key-that-is-at-least-32-characters-long",
    "MySuperSecretKeyForJwtTokenSigning123456!",
    "<random_string_at_least_32_characters_long>",
    "your-256-bit-secret-key-must-be-at-least-32-characters-long",
    "qwertyuiopasdfghjklzxcvbnm1234567890",
    "this is my custom Secret key for authentication",
    "dont-tell-anyone-this-is-a-secret-key",
)


def test_templates_are_refused() -> None:
    for value in TEMPLATES:
        assert "template" in (secret_refusal(value) or "")
        assert "template" in (secret_refusal(as_base64(value.encode())) or "")


PATTERNS = (
    bytes(32),
    b"\xff" * 64,
    b"01" * 16,
    b"1111111122222222333333334444444455555555",
    bytes(SOURCE.choices(b"0123456", k=60)),
    bytes(range(32)),
    bytes(range(65)),
    bytes(range(255, 190, -2)),
    b"0123456789abcdef0123456789abcdef",
    b"abcdefghijklmnopqrstuvwxyz123456",
    b"x9!kQ2#vLm7$" * 3,
    b"x9!kQ2#vLm7$X9!Kq2#VlM7$x9!kQ2#v",
    (SOURCE.randbytes(8).hex() * 5)[:37].encode(),
    SOURCE.randbytes(16) * 2,
    SOURCE.randbytes(31) * 3,
)


class TestPattern:
    def test_is_refused(self) -> None:
        for key in PATTERNS:
            assert "pattern" in (secret_refusal(as_base64(key.ljust(32, key[:1]))) or ""), key

    def test_a_block_that_is_long_enough_may_stand_twice(self) -> None:
        assert secret_refusal(as_base64(SOURCE.randbytes(32) * 2)) is None


def test_what_pages_show_is_refused() -> None:
    shown = "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b"
    for value in ("your-256-bit-secret-your-256-bit-secret", shown):
        assert secret_refusal(value) is not None
