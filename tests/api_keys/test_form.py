"""The form of API keys: what is made, what is recognised, what is stored."""

import math
import re
import zlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.services.api_keys.form import ALPHABET, CHECKSUM_LENGTH, LAST, RANDOM_LENGTH, KeyForm

PEPPER = b"p" * 32
FORM = KeyForm("sk_app", PEPPER)
SCANNED = re.compile(r"\bsk_app_[0-9A-Za-z]{37}\b")


def checksum(stem: str) -> str:
    """CRC32 in base62, written another way than the application's."""
    number = zlib.crc32(stem.encode())
    return "".join(ALPHABET[number // 62**place % 62] for place in range(5, -1, -1))


class TestGenerate:
    def test_entropy(self) -> None:
        """160 bits, also for somebody who sees the last characters of it in a list."""
        assert len(ALPHABET) == len(set(ALPHABET)) == 62
        assert math.log2(62) * (RANDOM_LENGTH - LAST) >= 160
        assert LAST <= CHECKSUM_LENGTH

    def test_form(self) -> None:
        for _ in range(300):
            key = FORM.generate()
            assert SCANNED.fullmatch(key)
            assert key[-6:] == checksum(key[:-6])
            assert FORM.is_well_formed(key)

    def test_every_random_place_takes_every_letter(self) -> None:
        keys = [FORM.generate() for _ in range(1_500)]
        assert len(set(keys)) == len(keys)
        for place in range(len("sk_app_"), len("sk_app_") + RANDOM_LENGTH):
            assert {key[place] for key in keys} == set(ALPHABET)

    def test_scanner_finds_it_in_text(self) -> None:
        key = FORM.generate()
        for text in (f"KEY={key}\n", f'"{key}"', f"X-API-Key: {key}", f"https://host/?key={key}&x=1"):
            assert SCANNED.findall(text) == [key]


class TestIsWellFormed:
    @given(place=st.integers(0, 43), letter=st.sampled_from(ALPHABET) | st.characters())
    def test_one_letter_changed(self, place: int, letter: str) -> None:
        """CRC32 sees every change within four adjacent bytes."""
        key = FORM.generate()
        assume(key[place] != letter)
        assert not FORM.is_well_formed(key[:place] + letter + key[place + 1 :])

    @given(place=st.integers(7, 42))
    def test_two_letters_exchanged(self, place: int) -> None:
        key = FORM.generate()
        assume(key[place] != key[place + 1])
        assert not FORM.is_well_formed(key[:place] + key[place + 1] + key[place] + key[place + 2 :])

    @given(text=st.text())
    def test_any_text(self, text: str) -> None:
        assert not FORM.is_well_formed(text)

    @given(tail=st.text(ALPHABET, min_size=37, max_size=37))
    def test_look_alike(self, tail: str) -> None:
        text = f"sk_app_{tail}"
        assert FORM.is_well_formed(text) == (checksum(text[:-6]) == text[-6:])

    @given(stem=st.text(ALPHABET + "_\n\u0660", min_size=29, max_size=33))
    def test_good_checksum_of_another_form(self, stem: str) -> None:
        text = f"sk_app_{stem}"
        is_key = re.fullmatch("[0-9A-Za-z]{31}", stem) is not None
        assert FORM.is_well_formed(text + checksum(text)) == is_key

    def test_good_checksum_of_another_length(self) -> None:
        for length in (0, 30, 32, 400):
            text = f"sk_app_{'a' * length}"
            assert not FORM.is_well_formed(text + checksum(text)), length

    def test_spelling(self) -> None:
        key = FORM.generate()
        for text in (
            *(f"{key}\n", f" {key}", f"{key} ", f"{key}\0", f"{key}{key[-1]}", key[:-1]),
            *(key.upper(), key.lower(), key.swapcase(), key.removeprefix("sk_app_"), key.replace("_", "-")),
            *(f"{key[:20]}\u0660{key[21:]}", f"{key[:20]}\u200b{key[20:]}"),
            "".join(chr(ord(letter) + 0xFEE0) for letter in key),  # full-width forms
        ):
            assert not FORM.is_well_formed(text), text

    @pytest.mark.parametrize("prefix", ["sk", "sk_ap", "sk_apps", "sk_app_2", "pk_app"])
    def test_other_prefix(self, prefix: str) -> None:
        other = KeyForm(prefix, PEPPER)
        assert not FORM.is_well_formed(other.generate())
        assert not other.is_well_formed(FORM.generate())


class TestDigest:
    def test_depends_on_key_and_pepper(self) -> None:
        one, other = FORM.generate(), FORM.generate()
        digests = {FORM.digest(one), FORM.digest(other), KeyForm("sk_app", b"q" * 32).digest(one)}
        assert len(digests) == 3
        assert FORM.digest(one) in digests

    def test_known_value(self) -> None:
        """Another construction would lock every key out: HMAC-SHA256, hexadecimal."""
        expected = "2aff2350db86f1ee78778693c7f3737cf28b874b64acee5ffd674fbee0a8458c"
        assert FORM.digest("sk_app_x") == expected

    @given(text=st.text(ALPHABET))
    def test_hides_the_key(self, text: str) -> None:
        assert re.fullmatch("[0-9a-f]{64}", FORM.digest(text))
