"""CPU the server spends on a request: bare Flask, /healthz, /auth/me by each credential, a webhook. And how fast
100,000 users come in from Clerk. One run: the ratios hold.

python -m benchmarks            the whole measurement, a few minutes
python -m benchmarks --smoke    a few requests, to see that it works
"""

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jwt

from backend.services.api_keys.form import KeyForm
from benchmarks.load import CONNECTIONS, cpu_seconds, run
from benchmarks.sync import measure_sync, report_sync
from benchmarks.webhooks import measure_webhooks
from development.database import server_pid, temporary_server
from settings.development import DEVELOPMENT_PEPPER
from tests.support.clerk import Instance
from tests.support.database import Sql, migrate
from tests.support.server import Server, running_server

TARGET = 1.8
# Many short rounds: whatever else the machine does then touches all rows alike.
ROUNDS = 20
REQUESTS = 960
USER = "user_bench"
USERS = 100_000
FAR_AWAY = 4_000_000_000  # a run takes longer than a token's minute


class Case(NamedTuple):
    """A row of the table. `tokens` are sent in turn."""

    name: str
    server: Server
    path: str
    tokens: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a few requests only")
    smoke = parser.parse_args().smoke
    rounds, requests = (1, 4 * CONNECTIONS) if smoke else (ROUNDS, REQUESTS)
    clerk = Instance()
    with _servers(clerk) as (bare, counterfoil, accepting_legacy, guarded, credentials):
        remembered = [clerk.token(sub=USER, exp=FAR_AWAY)] * CONNECTIONS
        costs: dict[str, list[float]] = {}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            fresh = [clerk.token(sub=USER, exp=FAR_AWAY) for _ in range(requests)]
            for case in (
                # The same request to all: reading a header of 900 bytes costs something too.
                Case("bare Flask route", bare, "/", remembered),
                Case("/healthz", counterfoil, "/healthz", remembered),
                Case("/auth/me, remembered token", counterfoil, "/auth/me", remembered),
                Case("  and remembered, with rate limits", guarded, "/auth/me", remembered),
                Case("/auth/me, fresh token", counterfoil, "/auth/me", fresh),
                Case("/auth/me, API key", counterfoil, "/auth/me", [credentials.key] * CONNECTIONS),
                Case("/auth/me, legacy token", accepting_legacy, "/auth/me", [credentials.legacy_token] * CONNECTIONS),
                Case("  and remembered, beside legacy", accepting_legacy, "/auth/me", remembered),
            ):
                costs.setdefault(case.name, []).append(_measure(case, requests))
            cost = measure_webhooks(clerk, counterfoil, credentials.postmaster, requests // 4)
            costs.setdefault("webhook user.created", []).append(cost.worker)
            costs.setdefault("  and its PostgreSQL", []).append(cost.postgres)
    _report(costs)
    with temporary_server() as url:
        report_sync(measure_sync(url, 300 if smoke else USERS))


class Credentials(NamedTuple):
    """Of the one user, besides Clerk's tokens. `postmaster`: the process id of PostgreSQL."""

    key: str
    legacy_token: str
    postmaster: int


@contextmanager
def _servers(clerk: Instance) -> Iterator[tuple[Server, Server, Server, Server, Credentials]]:
    """Bare Flask, Counterfoil, the same with legacy tokens and with rate limits: a worker each, under the shipped
    gunicorn.conf.py.
    """
    with temporary_server() as url, tempfile.TemporaryDirectory() as folder:
        migrate(url)
        secret = secrets.token_urlsafe(32)
        credentials = _make_user(url, secret)
        settings = {
            "DATABASE_URL": url,
            "CLERK_JWT_KEY": clerk.pem,
            "CLERK_ISSUER": clerk.issuer,
            "CLERK_WEBHOOK_SECRET": clerk.webhook_secret,
            "RATE_LIMITS": "off",
        }
        place = Path(folder)
        with (
            running_server(place, settings, app="benchmarks.bare:app", ready="/") as bare,
            running_server(place, settings, ready="/readyz") as counterfoil,
            running_server(place, settings | {"LEGACY_JWT_SECRET": secret}, ready="/readyz") as legacy,
            running_server(
                place, settings | {"RATE_LIMITS": "on"}, app="benchmarks.guarded:app", ready="/readyz"
            ) as guarded,
        ):
            yield bare, counterfoil, legacy, guarded, credentials


def _make_user(url: str, secret: str) -> Credentials:
    sql = Sql(url)
    made = "INSERT INTO users (clerk_user_id, provisioned_by) VALUES (%s, 'legacy') RETURNING user_id"
    user_id = sql.value(made, USER)
    form = KeyForm("sk_app", DEVELOPMENT_PEPPER)
    key = form.generate()
    sql.rows(
        """
        INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
        VALUES (%s, 'benchmark', 'sk_app', %s, %s, ARRAY['profile:read'])
        """,
        *(user_id, key[-4:], form.digest(key)),
    )
    sql.close()
    claims = {"sub": str(user_id), "iat": int(time.time()), "exp": FAR_AWAY}
    return Credentials(key, jwt.encode(claims, secret, "HS256"), server_pid(url))


def _measure(case: Case, requests: int) -> float:
    """CPU microseconds of the server's worker for each request."""
    port = int(case.server.url.rpartition(":")[2])
    run(port, case.path, case.tokens[:CONNECTIONS], CONNECTIONS * 4)
    (worker,) = case.server.worker_pids()
    before = cpu_seconds(worker)
    run(port, case.path, case.tokens, requests)
    return (cpu_seconds(worker) - before) / requests * 1e6


def _report(costs: dict[str, list[float]]) -> None:
    """Medians; a ratio is the median of the ratios of single rounds."""
    bare = costs["bare Flask route"]
    print(f"{'CPU of the server, one request':34} {'µs':>7} {'x bare':>7}")
    for name, values in costs.items():
        ratio = statistics.median(value / (base or 1) for value, base in zip(values, bare, strict=True))
        print(f"{name:34} {statistics.median(values):7.0f} {ratio:7.2f}")
    print(f"target: /auth/me with a remembered token at most {TARGET} x the bare route")


if __name__ == "__main__":
    main()
