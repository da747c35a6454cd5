"""The whole way of an application that had passwords: migrated, served, its users linked to Clerk, reads going on."""

import random
import time
from pathlib import Path

import jwt
import requests

from tests.migrations.databases import Database, alembic, reading_users
from tests.support.clerk import Instance, clerk_id, event, user_data
from tests.support.server import Server, running_server

USERS = 100_000
SINGLE = 50_000  # the others share an address with somebody, of whom one keeps it
HOLDERS = SINGLE + (USERS - SINGLE) // 2 + 1  # the last number is half of a pair whose other half is not there
SAMPLE = 100
SECRET = "".join(f"{number:02x}" for number in range(0, 256, 7))

FILL = f"""
    INSERT INTO users (email, email_verified, password_hash, role, created_at)
    SELECT CASE
            WHEN n <= {SINGLE} THEN format('User%s@Example.com', n)
            ELSE format(CASE WHEN n % 2 = 0 THEN 'pair%s@example.com' ELSE 'PAIR%s@example.com' END, n / 2)
        END, true, 'scrypt:' || md5(n::text),
        (ARRAY['user', 'developer', 'admin'])[n % 3 + 1], now() - n * interval '1 minute'
    FROM generate_series(1, {USERS}) AS n;
    INSERT INTO subscriptions (user_id, plan) SELECT user_id, (ARRAY['free', 'pro'])[user_id % 2 + 1] FROM users;
    INSERT INTO usage_metrics (user_id, tokens_used) SELECT user_id, user_id % 100 FROM users
"""
KEPT = """
    SELECT count(*), md5(string_agg(concat_ws(',', user_id, users.created_at, plan, tokens_used), ';' ORDER BY
    user_id)) FROM users JOIN subscriptions USING (user_id) JOIN usage_metrics USING (user_id)
"""


def test_upgrade_drill(old: Database, clerk: Instance, tmp_path: Path) -> None:
    database = old
    database.rows(FILL)
    before = database.rows(KEPT)
    sample = random.Random(4).sample(range(1, SINGLE + 1), SAMPLE)
    started = time.monotonic()
    with reading_users(database) as reads:
        with alembic("upgrade", "head", database_url=database.url) as node:
            _, errors = node.communicate(timeout=120)
            assert node.returncode == 0, errors
        migrated = time.monotonic()
        settings = {
            "DATABASE_URL": database.url,
            "CLERK_JWT_KEY": clerk.pem,
            "CLERK_ISSUER": clerk.issuer,
            "CLERK_WEBHOOK_SECRET": clerk.webhook_secret,
            "LEGACY_JWT_SECRET": SECRET,
            "LEGACY_LINK_BY_EXTERNAL_ID": "true",
        }
        with running_server(tmp_path, settings) as server:
            assert [legacy_user_id(server, number) for number in sample] == sample
            clerk_ids = {number: clerk_id("user") for number in sample}
            for place, number in enumerate(sample):
                link(server, clerk, clerk_ids[number], number, by_email=place % 2 == 0)
            assert [clerk_user_id(server, clerk, clerk_ids[number]) for number in sample] == sample
            assert [legacy_user_id(server, number) for number in sample] == sample
    assert database.rows(KEPT) == before
    # A link never carries a role; all others have theirs.
    roles = "SELECT role, count(*) FROM users WHERE clerk_user_id IS {} NULL GROUP BY role"
    assert dict(map(tuple, database.rows(roles.format("NOT")))) == {"user": SAMPLE}
    assert dict(map(tuple, database.rows(roles.format("")))).keys() == {"user", "developer", "admin"}
    verified = "SELECT count(*), count(DISTINCT lower(email)) FROM users WHERE email_verified"
    assert database.rows(verified) == [(HOLDERS, HOLDERS)]
    linked = database.rows(
        "SELECT details ->> 'by', count(*) FROM audit_events WHERE action = 'user.linked' GROUP BY 1"
    )
    assert dict(map(tuple, linked)) == {"email": SAMPLE // 2, "external_id": SAMPLE // 2}
    print(  # noqa: T201 - shown by `pytest -rP`
        f"migrated in {migrated - started:.2f} s, all of it in {time.monotonic() - started:.2f} s; "
        f"{reads.count} reads meanwhile, the longest {reads.longest * 1000:.0f} ms"
    )


def legacy_user_id(server: Server, user_id: int) -> int:
    """Who the old client is now."""
    token = jwt.encode({"sub": str(user_id), "exp": int(time.time()) + 900}, SECRET, "HS256")
    return user_id_of(server.get("/auth/me", token))


def clerk_user_id(server: Server, clerk: Instance, clerk_user: str) -> int:
    return user_id_of(server.get("/auth/me", clerk.token(sub=clerk_user)))


def user_id_of(answer: requests.Response) -> int:
    assert answer.status_code == 200, answer.text
    user_id: int = answer.json()["user"]["user_id"]
    return user_id


def link(server: Server, clerk: Instance, clerk_user: str, user_id: int, *, by_email: bool) -> None:
    """Clerk tells of a user who was imported with our id, or who signed up anew with the old address."""
    data = user_data(clerk_user, email=f"user{user_id}@example.COM" if by_email else f"new{user_id}@example.com")
    if not by_email:
        data["external_id"] = str(user_id)
    body = event("user.created", data)
    answer = server.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
    assert answer.json() == {"status": "applied"}
