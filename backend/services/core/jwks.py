"""Where verification keys come from: one PEM, or Clerk's JWK set cached for an hour."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from backend.errors import AppError, ErrorCode
from backend.services.core.public_keys import Keys, load_pem, usable_keys

MAX_SET_BYTES = 65_536
FETCH_SECONDS = 3.0  # one that takes longer counts as failed, whatever the server at the other end does
REFRESH_AHEAD = 0.8  # of the lifetime: from here on one fetch runs beside the requests
STALE_SECONDS = 86_400  # past the lifetime: a key that was good is still used while Clerk cannot be reached
UNKNOWN_KID_COOLDOWN = 30.0  # a flood of invented key ids costs one fetch in this time
WARM_BACKOFF = 30.0  # after a failure with keys at hand
COLD_BACKOFF = 2.0  # after a failure with none: nobody can sign in until it works

# Fetches the JSON at a URL. Raises OSError.
Fetch = Callable[[str], object]

log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Gives the key for a key id, or raises AppError: 401 for an id that does not exist, 503 without keys."""

    def get(self, kid: str | None) -> RSAPublicKey: ...

    def check(self) -> None:
        """Raise AppError (503) unless tokens can be verified."""


class PemKey:
    """One key from CLERK_JWT_KEY. No network, and like Clerk's SDKs it ignores the key id."""

    def __init__(self, pem: str) -> None:
        self._key = load_pem(pem)

    def get(self, kid: str | None) -> RSAPublicKey:  # noqa: ARG002
        return self._key

    def check(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A JWK set as it was loaded; `loaded_at` on the clock of the key set, in seconds."""

    keys: Keys
    loaded_at: float


@dataclass(eq=False, slots=True)
class RunningFetch:
    """One running fetch, for all who need its result."""

    started_at: float
    done: threading.Event = field(default_factory=threading.Event)


class RemoteKeySet:
    """Clerk's JWK set: refreshed ahead of expiry, shared by all threads, used stale when Clerk is away.

    A fetch runs in a thread of its own, so that no caller ever waits longer than FETCH_SECONDS, whatever the
    server at the other end does. A forged token never starts one: only time or an unknown key id does.
    """

    def __init__(
        self,
        url: str,
        lifetime: float,
        fetch: Fetch,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._lifetime = lifetime
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._running: RunningFetch | None = None
        self._failed_at: float | None = None
        self._cooldown_from = -UNKNOWN_KID_COOLDOWN

    def get(self, kid: str | None) -> RSAPublicKey:
        snapshot = self._current()
        key = _find(snapshot.keys, kid)
        if key is None:
            key = _find(self._after_unknown_kid().keys, kid)
        if key is None:
            raise AppError(
                ErrorCode.JWK_KID_MISMATCH,
                "The token was signed with a key this Clerk instance does not have.",
            )
        return key

    def check(self) -> None:
        self._current()

    def _current(self) -> Snapshot:
        """The set to use now. Within 80 % of its lifetime this is one comparison."""
        snapshot = self._snapshot
        if snapshot is None:
            return self._load_first()
        age = self._clock() - snapshot.loaded_at
        if age < self._lifetime * REFRESH_AHEAD:
            return snapshot
        running = self._start_fetch()
        if age >= self._lifetime and running is not None:
            # Past the lifetime the one who refreshes waits for it; the rest use the old set meanwhile.
            self._wait(running)
        snapshot = self._snapshot or snapshot
        if self._clock() - snapshot.loaded_at > self._lifetime + STALE_SECONDS:
            raise self._unavailable()
        return snapshot

    def _load_first(self) -> Snapshot:
        running = self._start_fetch() or self._running
        if running is not None:
            self._wait(running)
        if self._snapshot is None:
            raise self._unavailable()
        return self._snapshot

    def _after_unknown_kid(self) -> Snapshot:
        """The set once more, fetched anew if none was in the last 30 s. After a failure nobody knows: 503."""
        now = self._clock()
        with self._lock:
            is_due = now - self._cooldown_from >= UNKNOWN_KID_COOLDOWN
            if is_due:
                self._cooldown_from = now
        running = (self._start_fetch() if is_due else None) or self._running
        if running is not None:
            self._wait(running)
        if self._snapshot is None or self._failed_at is not None:
            raise self._unavailable()
        return self._snapshot

    def _start_fetch(self) -> RunningFetch | None:
        """Start a fetch. None when another is running or the last failure is too fresh."""
        now = self._clock()
        with self._lock:
            if self._running is not None and now - self._running.started_at <= FETCH_SECONDS:
                return None
            backoff = COLD_BACKOFF if self._snapshot is None else WARM_BACKOFF
            if self._failed_at is not None and now - self._failed_at < backoff:
                return None
            running = self._running = RunningFetch(now)
        threading.Thread(target=self._load, args=(running,), name="jwks", daemon=True).start()
        return running

    def _wait(self, running: RunningFetch) -> None:
        """Wait for the fetch, at most FETCH_SECONDS; one that is late is abandoned and counts as failed."""
        if not running.done.wait(FETCH_SECONDS):
            self._finish(running, None)

    def _load(self, running: RunningFetch) -> None:
        keys: Keys | None = None
        try:
            keys = usable_keys(self._fetch(self._url)) or None
            if keys is None:
                log.warning("The JWK set at %s holds no usable key.", self._url)
        except OSError as error:
            log.warning("The JWK set at %s could not be fetched: %s.", self._url, error)
        finally:
            self._finish(running, keys)

    def _finish(self, running: RunningFetch, keys: Keys | None) -> None:
        """Take over the keys, or note the failure: an empty answer never empties the set."""
        with self._lock:
            if self._running is running:
                self._running = None
                now = self._clock()
                if keys is None:
                    self._failed_at = now
                else:
                    self._failed_at = None
                    self._cooldown_from = now
                    self._snapshot = Snapshot(self._keep_known(keys), now)
        running.done.set()

    def _keep_known(self, keys: Keys) -> Keys:
        """Keep the objects of keys that are still the same: remembered tokens are tied to them."""
        known = self._snapshot.keys if self._snapshot is not None else {}
        return {
            kid: known[kid] if kid in known and known[kid].public_numbers() == key.public_numbers() else key
            for kid, key in keys.items()
        }

    def _unavailable(self) -> AppError:
        return AppError(
            ErrorCode.JWKS_UNAVAILABLE, "Clerk's public keys cannot be fetched at the moment. Try again."
        )


def _find(keys: Keys, kid: str | None) -> RSAPublicKey | None:
    """The key with this id. Every Clerk token names one; without a name only a lone key is no guess."""
    if kid is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(kid)
