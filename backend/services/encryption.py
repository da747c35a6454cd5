"""Encrypting a secret that must be shown once more, under a key that is not in the database."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backend.errors import AppError, ErrorCode

# Part of the key: another text here makes what is stored unreadable.
PURPOSE = b"counterfoil answers"


class Encryption:
    """Encrypts under the pepper of API keys: whoever reads the database or a backup of it reads no key there."""

    def __init__(self, pepper: bytes) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(pepper)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Raises AppError (409) for what was encrypted under another pepper."""
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken:
            raise AppError(
                ErrorCode.CONFLICT, "This was answered before, and its secret cannot be shown again."
            ) from None
