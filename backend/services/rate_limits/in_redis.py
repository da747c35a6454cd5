"""Counting requests in Redis or Valkey, for all workers and nodes. Imported only where REDIS_URL is set."""

from typing import Any, cast

from limits.storage import RedisStorage
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from backend.services.rate_limits.counters import WINDOW_SECONDS, Spent, weigh

# Together the most that Redis can add to a request. It answers in less than a millisecond.
POOL_SECONDS, ANSWER_SECONDS = 0.04, 0.1
CONNECTIONS = 32  # of one worker
# Another way of counting would find values of another type under the same names: count up when it changes.
PREFIX = "counterfoil:rate-limits:1"
WINDOW_MS = WINDOW_SECONDS * 1_000


class InRedis(RedisStorage):
    """The sliding window counter of `limits`, but one round trip gives verdict and figures. Connects to nothing yet.

    Every method raises RedisError when Redis does not do what it should in time.
    """

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=POOL_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        super().__init__("redis://", connection_pool=pool, key_prefix=PREFIX)
        self._client = cast("Redis", self.storage)

    def hit(self, key: str, amount: int, cost: int = 1) -> Spent:
        """As InProcess.hit."""
        acquired, (before, _, used, used_for) = self._count(key, amount, cost)
        left = max(0, used_for - WINDOW_MS) / 1_000 if used_for > 0 else WINDOW_SECONDS
        return weigh(amount, before, used, left, is_allowed=acquired)

    def look(self) -> None:
        """Whether it answers. Connections that have been idle meanwhile may be dead: they are dropped."""
        self._client.connection_pool.disconnect(inuse_connections=False)
        self._client.ping()

    def _count(self, key: str, amount: int, cost: int) -> tuple[bool, list[int]]:
        names = self.prefixed_key(self._previous_window_key(key)), self.prefixed_key(self._current_window_key(key))
        # With nothing to add, the script of `limits` refuses only what is beyond the limit already.
        taken = (amount, WINDOW_SECONDS, cost) if cost else (amount - 1, WINDOW_SECONDS, 0)
        try:
            acquired, figures = self._evaluate(names, taken)
        except NoScriptError:  # Redis has restarted
            for script in (self.SCRIPT_ACQUIRE_SLIDING_WINDOW, self.SCRIPT_SLIDING_WINDOW):
                self._client.script_load(script)
            acquired, figures = self._evaluate(names, taken)
        counts = [int(figure or 0) for figure in figures]
        if counts[1] > WINDOW_MS or counts[3] > 2 * WINDOW_MS:
            # The clock of Redis was set back: by its own figures these counters would last for as long as that.
            self.clear_sliding_window(key, WINDOW_SECONDS)
            return self._count(key, amount, cost)
        return bool(acquired), counts

    def _evaluate(self, names: tuple[str, str], taken: tuple[int, int, int]) -> list[Any]:
        # Not by the Script objects: in a pipeline they would ask first whether Redis has them.
        both = self._client.pipeline(transaction=False)
        both.evalsha(self.lua_acquire_sliding_window.sha, 2, *names, *taken)
        both.evalsha(self.lua_sliding_window.sha, 2, *names, WINDOW_SECONDS)
        return both.execute()
