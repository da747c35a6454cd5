"""Which shared secrets nobody may start with: whoever guesses one signs tokens or webhooks, or speaks to Clerk as us.

Not a dictionary: the length is the protection, this catches what is copied from a page or typed to fill 32 places.
"""

import base64
import binascii
import re
from itertools import pairwise

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from cryptography.x509 import load_der_x509_certificate

MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2: as long as the hash
MIN_DISTINCT = 8  # 64 random hexadecimal digits have fewer once in 10^19
MIN_OWN_LETTERS = 6

# Random once, published since; compared as text, as base64 and as hexadecimal.
PUBLISHED = (
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",  # RFC 7515
    "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",  # RFC 7520
    "-ebuDNsVZ2iJtoZ-akfXTSCt4UO2cruLCsbWlBinggE",  # Wycheproof
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",  # tutorials for Spring
    "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # Standard Webhooks, Svix
    "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",  # Svix's API reference
    "plJ3nmyCDGBKInavdOK15jsl",  # Svix: how to verify by hand
)

# What the templates of `.env` files and the examples of jwt.io and Supabase are made of.
TEMPLATE_WORDS = (
    "and api app application at auth be bit bits byte bytes can change changed changeit char character characters "
    "chars default demo dev development do enough example for from generate generated here hmac hs256 hs512 in "
    "insecure is it jwt key least length local long longer make me min minimum must my never not of only or password "
    "passphrase please private prod production random really replace safe secret secure session should sign signing "
    "some something string strong super supersecret test testing than that the this to token unique unit use value "
    "anyone authentication custom dont tell ultra "
    "valid very which with you your 32 64 128 256 384 512 123 1234 12345 123456 1234567890 0123456789 "
    "qwertyuiop asdfghjkl zxcvbnm"
)
_WORDS = frozenset(TEMPLATE_WORDS.split())
_TEMPLATE = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)))

# Parts of every PEM, SSH and JWK spelling of a key, and of the base64 of an SSH one.
_KEY_MARKS = (
    *(b"-----BEGIN ", b"-----END ", b"---- BEGIN SSH2 ", b'"kty"', b"ssh-rsa", b"ssh-ed25519"),
    *(b"ecdsa-sha2-", b"AAAAB3NzaC1yc2E", b"AAAAC3NzaC1lZDI1NTE5", b"AAAAE2VjZHNh"),
)


def refuse_weak_secret(key: bytes, min_bytes: int = MIN_SECRET_BYTES) -> None:
    """Raises ValueError with what is wrong, never with the secret. Random bytes pass, in any usual spelling."""
    if _is_published(key):
        raise ValueError("is an example that everybody can read; take a random one")
    if len(key) < min_bytes:
        raise ValueError(f"must have at least {min_bytes} bytes")
    if _is_key_material(key) or _is_key_material(_from_base64(key)):
        # Who verifies HMACs with a public key believes everybody (CVE-2022-29217 and its kin).
        raise ValueError("is a public or private key or a certificate; a shared secret is random bytes")
    if _is_pattern(key):
        raise ValueError("is a pattern that can be guessed; take a random one")
    if _is_template(key):
        raise ValueError("is made of the words of a template; take a random one")


def _is_key_material(data: bytes) -> bool:
    if any(mark in data for mark in _KEY_MARKS):
        return True
    for load in (load_der_public_key, _load_private_key, load_der_x509_certificate):
        try:
            load(data)
        except ValueError:
            continue
        except (TypeError, UnsupportedAlgorithm):
            return True  # a key: encrypted, or of a kind this library does not know
        return True
    return False


def _load_private_key(data: bytes) -> object:
    return load_der_private_key(data, password=None)


def _from_base64(text: bytes) -> bytes:
    """What the text stands for when it is base64, in either alphabet and over any lines; else nothing."""
    body = re.sub(rb"\\r|\\n|\s|=", b"", text).replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        return b""


def _letters(text: str) -> str:
    """Letters and digits alone: `Change-Me` and `change_me` are one, and so are the two alphabets of base64."""
    return re.sub(r"[\W_]", "", text.casefold())


def _is_published(key: bytes) -> bool:
    spellings = (key.decode("latin-1"), base64.b64encode(key).decode("ascii"), key.hex())
    return not {_letters(text) for text in PUBLISHED}.isdisjoint(map(_letters, spellings))


def _is_template(key: bytes) -> bool:
    try:
        text = key.decode("utf-8")
    except UnicodeDecodeError:
        return False
    letters = _letters(text)
    # Once run together, once by its own words: `bit-secret` run together would begin with `bits`.
    words = re.findall(r"[^\W\d_]+|\d+", text.casefold())
    own = min(len(_TEMPLATE.sub("", letters)), sum(len(word) for word in words if word not in _WORDS))
    # Random symbols leave few letters as well, but none of them are words.
    return own < MIN_OWN_LETTERS and own < len(letters) - own


def _is_pattern(key: bytes) -> bool:
    """Few different bytes, few different steps from one to the next (0123…), or a short block again and again."""
    if key.isascii() and key.decode("ascii").isprintable():
        key = re.sub(rb"[\W_]", b"", key) or key
    steps = {after - before for before, after in pairwise(key)}
    if min(len(set(key)), len(steps)) < MIN_DISTINCT:
        return True
    text = key.lower()
    longest = min(MIN_SECRET_BYTES - 1, len(text) // 2)
    return any(text[size:] == text[:-size] for size in range(1, longest + 1))
