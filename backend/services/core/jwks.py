"""Where verification keys come from: one PEM, or Clerk's JWK set cached for an hour."""

import logging
import math
import threading
import time
from collections.abc import Callable

from backend.errors import AppError, ErrorCode
from backend.services.core.public_keys import Keys, PublicKey, load_pem, usable_keys

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


class PemKey:
    """One key from CLERK_JWT_KEY. No network, and like Clerk's SDKs it ignores the key id."""

    def __init__(self, pem: str) -> None:
        self._key = load_pem(pem)

    @property
    def loaded(self) -> Keys:
        return {"": self._key}

    def get(self, kid: str | None) -> PublicKey:  # noqa: ARG002
        return self._key

    def check(self) -> None:
        return


class RemoteKeySet:
    """Clerk's JWK set: refreshed ahead of expiry, shared by all threads, used stale when Clerk is away.

    A fetch runs in a thread of its own, so that no caller ever waits longer than FETCH_SECONDS, whatever the server at
    the other end does. A forged token never starts one: only time or an unknown key id does.
    """

    def __init__(self, url: str, lifetime: float, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._lifetime = lifetime
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Keys = {}
        self._loaded_at = -math.inf
        self._failed_at: float | None = None  # None once a fetch has succeeded since
        self._started_at = -math.inf
        self._running: threading.Event | None = None  # set when the fetch that is running has ended

    @property
    def loaded(self) -> Keys:
        """What is here at this moment, however old. Fetches nothing."""
        return self._keys

    def get(self, kid: str | None) -> PublicKey:
        """The key with this id. Raises AppError: 401 when Clerk has none, 503 without keys."""
        key = _find(self._current(), kid)
        if key is None:
            # Perhaps it is new: ask again, unless the set is. After a failure nobody knows: 503.
            self._start_fetch(min_age=UNKNOWN_KID_COOLDOWN)
            self._wait()
            if self._failed_at is not None:
                raise _unavailable()
            key = _find(self._keys, kid)
        if key is None:
            raise AppError(
                ErrorCode.JWK_KID_MISMATCH, "The token was signed with a key this Clerk instance does not have."
            )
        return key

    def check(self) -> None:
        """Raise AppError (503) without keys."""
        self._current()

    def _current(self) -> Keys:
        """The keys to use now. Within 80 % of their lifetime this is one comparison."""
        age = self._clock() - self._loaded_at
        if age < self._lifetime * REFRESH_AHEAD:
            return self._keys
        is_started = self._start_fetch()
        # Past the lifetime the one who refreshes waits for it, while the rest use the old set. Without one all wait.
        if not self._keys or (is_started and age >= self._lifetime):
            self._wait()
        if self._clock() - self._loaded_at > self._lifetime + STALE_SECONDS:
            raise _unavailable()
        return self._keys

    def _start_fetch(self, min_age: float = 0) -> bool:
        """Start one, unless another is running, the last failure is too fresh or the set is younger than `min_age`."""
        now = self._clock()
        backoff = WARM_BACKOFF if self._keys else COLD_BACKOFF
        with self._lock:
            is_running = self._running is not None and now - self._started_at <= FETCH_SECONDS
            has_just_failed = self._failed_at is not None and now - self._failed_at < backoff
            if is_running or has_just_failed or now - self._loaded_at < min_age:
                return False
            self._started_at = now
            self._running = running = threading.Event()
        threading.Thread(target=self._load, args=(running,), name="jwks", daemon=True).start()
        return True

    def _wait(self) -> None:
        """Wait for the fetch that is running, at most FETCH_SECONDS; a late one is abandoned and counts as failed."""
        running = self._running
        if running is not None and not running.wait(FETCH_SECONDS):
            self._finish(running, {})

    def _load(self, running: threading.Event) -> None:
        keys: Keys = {}
        try:
            keys = usable_keys(self._fetch(self._url))
            if not keys:
                log.warning("The JWK set at %s holds no usable key.", self._url)
        except OSError as error:
            log.warning("The JWK set at %s could not be fetched: %s.", self._url, error)
        finally:
            self._finish(running, keys)

    def _finish(self, running: threading.Event, keys: Keys) -> None:
        """Take over the keys; without any note the failure: an empty response never empties the set."""
        with self._lock:
            if self._running is running:
                now = self._clock()
                self._failed_at = None if keys else now
                if keys:
                    # The objects of keys that are still the same are kept: remembered tokens are tied to them.
                    known = self._keys
                    self._keys = {kid: known[kid] if known.get(kid) == key else key for kid, key in keys.items()}
                    self._loaded_at = now
                self._running = None  # last: whoever finds none running takes what is there
        running.set()


KeySource = PemKey | RemoteKeySet


def _find(keys: Keys, kid: str | None) -> PublicKey | None:
    """The key with this id. Every Clerk token names one; without a name only a lone key is no guess."""
    if kid is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(kid)


def _unavailable() -> AppError:
    return AppError(ErrorCode.JWKS_UNAVAILABLE, "Clerk's public keys cannot be fetched at the moment. Try again.")
