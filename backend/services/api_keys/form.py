"""What an API key looks like: `<prefix>_` + 31 random characters + 6 of checksum, all base62, as GitHub's tokens.

The checksum lets a scanner, and us, tell a real key from a look-alike without asking a database. It is no secret.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 31  # 62^31 = 2^184.6
CHECKSUM_LENGTH = 6  # 62^6 > 2^32
# Characters that tell keys apart in a list. They are of the checksum, which follows from the random ones: whoever sees
# them knows 62^4 = 2^23.8 less about the key, and 2^160.8 remain.
LAST = 4


class KeyForm:
    """Makes, recognises and hashes keys of one prefix under one pepper."""

    def __init__(self, prefix: str, pepper: bytes) -> None:
        self.prefix = prefix
        self._pepper = pepper
        self._pattern = re.compile(rf"{prefix}_[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}")

    def generate(self) -> str:
        stem = f"{self.prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
        return stem + _checksum(stem)

    def is_well_formed(self, text: str) -> bool:
        """Whether this can be a key of ours: form and checksum."""
        return (
            self._pattern.fullmatch(text) is not None and _checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]
        )

    def digest(self, key: str) -> str:
        """What is stored of a key. With 160 random bits there is nothing to guess, so nothing slow is needed."""
        return hmac.digest(self._pepper, key.encode(), hashlib.sha256).hex()


def _checksum(stem: str) -> str:
    """CRC32 in six base62 digits."""
    number = zlib.crc32(stem.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
