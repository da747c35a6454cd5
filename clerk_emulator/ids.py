"""Identifiers and random strings in the forms that Clerk gives them."""

import secrets
import string

from clerk_emulator import clock

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KSUID_EPOCH = 1_400_000_000
_KSUID_LENGTH = 27


def new_id(prefix: str) -> str:
    """Make an identifier such as `user_2g7n…`: the prefix and a KSUID, which sorts by the second it was made in."""
    return ksuid(prefix, clock.now(), secrets.token_bytes(16))


def ksuid(prefix: str, seconds: int, payload: bytes) -> str:
    """Make the identifier of that Unix time and those 16 bytes."""
    number = int.from_bytes((seconds - _KSUID_EPOCH).to_bytes(4, "big") + payload, "big")
    digits: list[str] = []
    for _ in range(_KSUID_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits.append(_BASE62[digit])
    return f"{prefix}_{''.join(reversed(digits))}"


def random_base62(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))
