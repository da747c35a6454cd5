"""From an API key to its caller."""

import hmac
import logging

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from backend.access.authentication import admit
from backend.access.identity import Identity
from backend.database.prepared_reads import ReadPool
from backend.database.transactions import Database
from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import SCOPES_WITHIN, Scope
from backend.services.api_keys.form import KeyForm
from backend.services.api_keys.keys import note_use
from backend.services.users.accounts import FIND_BY_KEY, AccountByKey

NO_SCOPES: frozenset[Scope] = frozenset()

log = logging.getLogger(__name__)


class ApiKeys:
    """Finds the owner of a key in one statement; a look-alike costs none."""

    def __init__(self, form: KeyForm, reads: ReadPool, database: Database) -> None:
        self._form = form
        self._reads = reads
        self._database = database

    def identify(self, key: str) -> Identity:
        """Raises AppError: 401 for the key, 503 for our own trouble."""
        if not self._form.is_well_formed(key):
            raise AppError(ErrorCode.API_KEY_INVALID, f"This is no API key: they begin with {self._form.prefix}_.")
        digest = self._form.digest(key)
        found = self._find(digest)
        # A scope of a newer version of this application grants nothing here.
        scopes = NO_SCOPES.union(*(SCOPES_WITHIN.get(scope, NO_SCOPES) for scope in found.scopes))
        identity = admit(
            "api-key",
            found.account,
            self._database.transact,
            lambda: self._find(digest).account,
            api_key_id=found.key_id,
            scopes=scopes,
        )
        if found.is_use_to_be_noted and self._database.has_free_writer():
            # A courtesy to the owner: no request waits or fails for it.
            try:
                self._database.transact(lambda connection: note_use(connection, found.key_id))
            except (SQLAlchemyError, psycopg2.Error) as error:
                log.warning("The use of API key %s was not noted: %s.", found.key_id, type(error).__name__)
        return identity

    def _find(self, digest: str) -> AccountByKey:
        found = self._reads.fetch(FIND_BY_KEY, digest)
        if found is None or not hmac.compare_digest(found.key_hash, digest):
            raise AppError(ErrorCode.API_KEY_INVALID, "This API key does not exist.")
        if found.is_revoked:
            raise AppError(ErrorCode.API_KEY_REVOKED, "This API key was revoked.")
        if found.is_expired:
            raise AppError(ErrorCode.API_KEY_EXPIRED, "This API key has expired. Make a new one.")
        return found
