"""The strict decoders, against whatever hypothesis thinks of."""

import json
import math
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.services.core.encoding import decode_base64url, decode_json_object
from tests.support.clerk import b64url

ALPHABET = string.ascii_letters + string.digits + "-_"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=5)


class TestBase64Url:
    @given(st.binary())
    def test_reads_what_was_written(self, data: bytes) -> None:
        assert decode_base64url(b64url(data)) == data

    @given(st.binary() | st.text(ALPHABET + "+/=\n ").map(str.encode))
    @example(b"AB")
    @example(b"A")
    @example(b"AAA=")
    @example(b"AA==")
    @example(b"AA\n")
    def test_one_spelling_each(self, text: bytes) -> None:
        """What is read at all is the one way to write what was read."""
        try:
            data = decode_base64url(text)
        except ValueError:
            return
        assert b64url(data) == text

    @given(st.binary(min_size=1), st.sampled_from("+/= \t\n\r.#?\x00"), st.data())
    def test_foreign_letters(self, data: bytes, letter: str, draw: st.DataObject) -> None:
        text = b64url(data)
        at = draw.draw(st.integers(0, len(text)))
        with pytest.raises(ValueError, match="base64url"):
            decode_base64url(text[:at] + letter.encode() + text[at:])


class TestJsonObject:
    @given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
    def test_reads_what_was_written(
        self, value: dict[str, object], indent: int | None, is_ascii: bool
    ) -> None:
        text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
        assert decode_json_object(text.encode("utf-8")) == value

    @given(st.binary())
    def test_only_ever_a_value_error(self, data: bytes) -> None:
        try:
            value = decode_json_object(data)
        except ValueError:
            return
        assert isinstance(value, dict)

    @given(JSON.filter(lambda value: not isinstance(value, dict)))
    def test_other_values(self, value: object) -> None:
        with pytest.raises(ValueError, match="object"):
            decode_json_object(json.dumps(value).encode())

    @given(OBJECTS.filter(bool), st.data())
    def test_a_name_twice(self, value: dict[str, object], draw: st.DataObject) -> None:
        name = json.dumps(draw.draw(st.sampled_from(sorted(value))))
        text = f"{json.dumps(value)[:-1]}, {name}: 1}}"
        for document in (text, f'{{"inside": [{text}]}}'):
            with pytest.raises(ValueError, match="twice"):
                decode_json_object(document.encode())

    @given(OBJECTS, st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"]))
    def test_other_encodings(self, value: dict[str, object], encoding: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - each is refused at another place
            decode_json_object(json.dumps(value).encode(encoding))

    def test_no_number_and_no_end(self) -> None:
        """NaN and infinities; nesting and digits that are more than Python takes."""
        numbers = [json.dumps({"x": [number]}) for number in (math.nan, math.inf, -math.inf)]
        nested = ['{"x":' + opening * depth for opening in ("[", '{"a":') for depth in (2_000, 100_000)]
        for text in (*numbers, *nested, '{"x":' + "1" * 100_000 + "}"):
            with pytest.raises(ValueError):  # noqa: PT011 - each is refused at another place
                decode_json_object(text.encode())
