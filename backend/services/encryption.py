"""Keeping a secret that must be shown once more: encrypted, under a key that is not in the database."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backend.errors import AppError, ErrorCode

PURPOSE = b"counterfoil answers"


class Seal:
    """Encrypts under the pepper of API keys: whoever reads the database or a backup of it reads no key there."""

    def __init__(self, pepper: bytes) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(pepper)
        self._box = Fernet(base64.urlsafe_b64encode(key))

    def close(self, text: str) -> str:
        return self._box.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises AppError (409) for what was sealed under another pepper."""
        try:
            return self._box.decrypt(sealed).decode()
        except InvalidToken:
            raise AppError(
                ErrorCode.CONFLICT, "This was answered before, and its secret cannot be shown again."
            ) from None
