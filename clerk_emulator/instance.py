"""Who this Clerk instance is: its id, its signing key and the secrets it shares with the application."""

import base64
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clerk_emulator.ids import new_id, random_base62
from clerk_emulator.store import Store

FRONTEND_API_HOST = "emulator.localhost.clerk.accounts.dev"
ISSUER = f"https://{FRONTEND_API_HOST}"
PUBLISHABLE_KEY = "pk_test_" + base64.b64encode(f"{FRONTEND_API_HOST}$".encode()).decode().rstrip("=")

# A production application knows these marks and refuses to start with them.
_SECRET_KEY_PREFIX = "sk_test_emulator_"  # noqa: S105 - a public prefix
_WEBHOOK_SECRET_PREFIX = b"counterfoil-emulator:"


@dataclass(frozen=True)
class Instance:
    id: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    signing_key: rsa.RSAPrivateKey = field(repr=False)


def load_instance(store: Store) -> Instance:
    """Read the instance of this state, or found it: a new key pair would sign everybody out."""
    with store.transaction() as db:
        row = db.execute("SELECT * FROM instance").fetchone()
        if row is None:
            db.execute("INSERT INTO instance VALUES (1, ?, ?, ?, ?)", _new_identity())
            row = db.execute("SELECT * FROM instance").fetchone()
    signing_key = serialization.load_pem_private_key(row["private_key_pem"].encode(), password=None)
    if not isinstance(signing_key, rsa.RSAPrivateKey):
        raise TypeError("the stored signing key is not an RSA key")
    return Instance(row["id"], row["secret_key"], row["webhook_secret"], signing_key)


def _new_identity() -> tuple[str, str, str, str]:
    private_key_pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    webhook_secret = base64.b64encode(_WEBHOOK_SECRET_PREFIX + secrets.token_bytes(24)).decode()
    return (new_id("ins"), _SECRET_KEY_PREFIX + random_base62(40), f"whsec_{webhook_secret}", private_key_pem.decode())
