"""Where verification keys come from: one PEM, or Clerk's JWK set cached for an hour."""

import logging
import math
import threading
import time
from collections.abc import Callable

from backend.errors import AppError, ErrorCode
from backend.services.core.key_file import KeyFile
from backend.services.core.public_keys import Keys, PublicKey, load_pem, usable_keys

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

    @property
    def age(self) -> float | None:
        return None

    def get(self, kid: str | None) -> PublicKey:  # noqa: ARG002
        return self._key

    def check(self) -> None:
        return


class _Attempt:
    """A fetch that is running. It ends with its thread, or when somebody finds that its time is over."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.ended = threading.Event()

    @property
    def ends_at(self) -> float:
        return self.started_at + FETCH_SECONDS


class RemoteKeySet:
    """Clerk's JWK set: refreshed ahead of expiry, shared by all threads, used stale when Clerk is away.

    A fetch runs in a thread of its own, so that no caller ever waits longer than FETCH_SECONDS, whatever the server at
    the other end does. A forged token never starts one: only time or an unknown key id does. What one worker fetches
    the others take from the file.
    """

    def __init__(
        self, url: str, lifetime: float, fetch: Fetch, file: KeyFile, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._lifetime = lifetime
        self._fetch = fetch
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Keys = {}
        self._loaded_at = -math.inf
        self._failed_at: float | None = None  # None once a fetch has succeeded since
        self._attempt: _Attempt | None = None
        self._take_kept(None)

    @property
    def loaded(self) -> Keys:
        """What is here at this moment, however old. Fetches nothing."""
        return self._keys

    @property
    def age(self) -> float | None:
        """Seconds since Clerk was asked for what is here; None while there is nothing."""
        return self._clock() - self._loaded_at if self._keys else None

    def get(self, kid: str | None) -> PublicKey:
        """The key with this id. Raises AppError: 401 when Clerk has none, 503 without keys."""
        key = _find(self._current(), kid)
        if key is None:
            # Perhaps it is new: ask again, unless the set is. After a failure nobody knows: 503.
            self._start_fetch(UNKNOWN_KID_COOLDOWN)
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
        is_started = self._start_fetch(self._lifetime * REFRESH_AHEAD)
        # Past the lifetime the one who refreshes waits for it, while the rest use the old set. Without one all wait.
        if not self._keys or (is_started and age >= self._lifetime):
            self._wait()
        if self._clock() - self._loaded_at > self._lifetime + STALE_SECONDS:
            raise _unavailable()
        return self._keys

    def _start_fetch(self, max_age: float) -> bool:
        """Start one, unless another is running, the last failure is too fresh or the set is younger than `max_age`."""
        late = self._attempt
        if late is not None and self._clock() > late.ends_at:
            self._end(late, is_good=False)
        with self._lock:
            now = self._clock()
            backoff = WARM_BACKOFF if self._keys else COLD_BACKOFF
            has_just_failed = self._failed_at is not None and now - self._failed_at < backoff
            if self._attempt is not None or has_just_failed or now - self._loaded_at < max_age:
                return False
            self._attempt = attempt = _Attempt(now)
        threading.Thread(target=self._load, args=(attempt, max_age), name="jwks", daemon=True).start()
        return True

    def _wait(self) -> None:
        """Wait for the fetch that is running until its time is over; a late one is abandoned and counts as failed."""
        attempt = self._attempt
        if attempt is not None and not attempt.ended.wait(attempt.ends_at - self._clock()):
            self._end(attempt, is_good=False)

    def _load(self, attempt: _Attempt, max_age: float) -> None:
        """Take what another worker has fetched lately, else fetch; what another could not get a moment ago neither."""
        is_good = False
        try:
            with self._file.alone() as has_waited:
                loaded_at = self._take_kept(attempt)
                is_good = self._clock() - loaded_at < max_age or loaded_at >= attempt.started_at
                if not is_good and not has_waited:
                    document = self._fetch(self._url)
                    keys = usable_keys(document)
                    is_good = self._take(attempt, keys, self._clock())
                    if is_good:
                        self._file.write(document)
                    if not keys:
                        log.warning("The JWK set at %s holds no usable key.", self._url)
        except OSError as error:
            log.warning("The JWK set at %s could not be fetched: %s.", self._url, error)
        finally:
            self._end(attempt, is_good=is_good)

    def _take_kept(self, attempt: _Attempt | None) -> float:
        """Take over the set in the file, however old, if ours is older. Returns when it was fetched."""
        keys, age = self._file.read()
        loaded_at = self._clock() - age
        self._take(attempt, keys, loaded_at)
        return loaded_at

    def _take(self, attempt: _Attempt | None, keys: Keys, loaded_at: float) -> bool:
        """Take over keys that are newer than ours: an empty set never empties ours, nor does what came too late."""
        with self._lock:
            oldest = max(self._loaded_at, self._clock() - self._lifetime - STALE_SECONDS)
            if self._attempt is not attempt or not keys or loaded_at < oldest:
                return False
            # The objects of keys that are still the same are kept: remembered tokens are tied to them.
            known = self._keys
            self._keys = {kid: known[kid] if known.get(kid) == key else key for kid, key in keys.items()}
            self._loaded_at = loaded_at
            return True

    def _end(self, attempt: _Attempt, *, is_good: bool) -> None:
        """The back-off counts from here, or from the end of the time for a fetch: found later, it has begun already."""
        with self._lock:
            if self._attempt is attempt:
                self._failed_at = None if is_good else min(self._clock(), attempt.ends_at)
                self._attempt = None  # last: whoever finds none takes what is there
        attempt.ended.set()


KeySource = PemKey | RemoteKeySet


def _find(keys: Keys, kid: str | None) -> PublicKey | None:
    """The key with this id. Every Clerk token names one; without a name only a lone key is no guess."""
    if kid is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(kid)


def _unavailable() -> AppError:
    return AppError(ErrorCode.JWKS_UNAVAILABLE, "Clerk's public keys cannot be fetched at the moment. Try again.")
