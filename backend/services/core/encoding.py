"""Strict readers for the two encodings inside a JWT."""

import base64
import binascii
import json


def decode_base64url(text: bytes) -> bytes:
    """Decode RFC 7515 base64url: no padding, no other alphabet, unused bits zero.

    One octet string has one spelling, so a token has no second form that passes under another hash. Raises ValueError.
    """
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:
        raise ValueError("not canonical base64url")
    return data


def decode_json_object(data: bytes) -> dict[str, object]:
    """Decode a UTF-8 JSON object in which no name stands twice (RFC 8725 section 3.7).

    Raises ValueError, also for a byte order mark, NaN, Infinity, endless digits and endless nesting.
    """
    try:
        value = _STRICT.decode(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - callers expect one kind of error
    return value


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
