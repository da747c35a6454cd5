"""The strict decoders, against whatever hypothesis thinks of. Known attacks on them are in test_form.py, as tokens."""

import json
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


class TestJsonObject:
    @given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
    def test_reads_what_was_written(self, value: dict[str, object], indent: int | None, is_ascii: bool) -> None:
        text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
        assert decode_json_object(text.encode("utf-8")) == value

    @given(st.binary())
    def test_only_ever_a_value_error(self, data: bytes) -> None:
        try:
            value = decode_json_object(data)
        except ValueError:
            return
        assert isinstance(value, dict)

    @given(OBJECTS.filter(bool), st.data())
    def test_a_name_twice(self, value: dict[str, object], draw: st.DataObject) -> None:
        name = json.dumps(draw.draw(st.sampled_from(sorted(value))))
        text = f"{json.dumps(value)[:-1]}, {name}: 1}}"
        for document in (text, f'{{"inside": [{text}]}}'):
            with pytest.raises(ValueError, match="twice"):
                decode_json_object(document.encode())
