"""The signatures of session tokens: RS256 only, by RSA keys of 2048 bits or more."""

import base64
import re
from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from backend.services.core.encoding import decode_base64url

ALGORITHM = "RS256"  # the `alg` that a token must name
_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)

MIN_BITS = 2048
MIN_EXPONENT = 65_537
MAX_BITS = 8192  # a larger one only costs time: verification grows with the square of the size
MAX_KEYS = 20
MAX_SET_BYTES = 65_536  # as it is fetched, and as it is kept in a file

PublicKey = RSAPublicKey
Keys = Mapping[str, PublicKey]


def is_signed(text: bytes, signature: bytes, key: RSAPublicKey) -> bool:
    return bool(_RS256.verify(text, key, signature))


def load_pem(text: str) -> RSAPublicKey:
    """The key in a PEM, whatever files and the environment did to it.

    Accepts real newlines, CRLF, the two characters `\\n`, spaces, no separators, quotes, the body alone, and base64 of
    the whole. Raises ValueError unless it is an RSA public key of at least 2048 bits.
    """
    for kind in ("PRIVATE KEY", "CERTIFICATE"):
        if kind in text:
            raise ValueError(f"is a {kind.lower()}; take the JWT public key from the Clerk dashboard")
    body = re.sub(r"-----(BEGIN|END) ?(RSA ?)?PUBLIC ?KEY-----|\\+[rn]?|[\s\"'=\ufeff]", "", text)
    if not body and text:
        raise ValueError("ends after its first line: write it in quotes, or on one line with \\n for each newline")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
        key = None if b"-----BEGIN " in data else load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a PEM public key; copy it again from the Clerk dashboard") from None
    if key is None:
        return load_pem(data.decode("ascii", "replace"))
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_BITS:
        raise ValueError(f"must be an RSA key of at least {MIN_BITS} bits")
    exponent = key.public_numbers().e
    if exponent < MIN_EXPONENT or exponent % 2 == 0:
        raise ValueError("has an unsafe RSA exponent")
    return key


def usable_keys(document: object) -> Keys:
    """The keys of a JWK set (RFC 7517) by `kid`. Unfit members are left out and never spoil the others.

    Of two members with one `kid` the first counts. Empty when nothing in the document is usable.
    """
    members = document.get("keys") if isinstance(document, dict) else None
    keys: dict[str, RSAPublicKey] = {}
    for member in members if isinstance(members, list) else ():
        if len(keys) == MAX_KEYS:
            break
        kid = member.get("kid") if isinstance(member, dict) else None
        if not isinstance(kid, str) or not kid or kid in keys:
            continue
        if (key := _usable_key(member)) is not None:
            keys[kid] = key
    return MappingProxyType(keys)


def _usable_key(jwk: Mapping[str, object]) -> RSAPublicKey | None:
    if not _is_for_signatures(jwk):
        return None
    modulus, exponent = jwk.get("n"), jwk.get("e")
    if not isinstance(modulus, str) or not isinstance(exponent, str):
        return None
    try:
        n = int.from_bytes(decode_base64url(modulus.encode("ascii")))
        e = int.from_bytes(decode_base64url(exponent.encode("ascii")))
        is_sound = n % 2 == 1 and e % 2 == 1 and MIN_EXPONENT <= e < 2**32
        if not is_sound or not MIN_BITS <= n.bit_length() <= MAX_BITS:
            return None
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": modulus, "e": exponent})
    except (InvalidKeyError, ValueError):
        return None
    return key if isinstance(key, RSAPublicKey) else None


def _is_for_signatures(jwk: Mapping[str, object]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("kty") == "RSA"
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", ALGORITHM) == ALGORITHM
        and isinstance(operations, list)
        and "verify" in operations
    )
