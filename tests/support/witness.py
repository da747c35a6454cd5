"""Who sends every credential everywhere, keeps all refusals, and knows what may never be told."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import jwt
import requests

from tests.support.attacks import TELLING_LENGTH, forge
from tests.support.clerk import Instance, event
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import exchange, raw_request

ADA, EVE = "ada.secret@example.com", "eve.secret@example.com"
PASSWORD = f"pw{secrets.token_hex(12)}"
LEGACY_SECRET, PEPPER = secrets.token_hex(32), secrets.token_hex(32)
CLERK_SECRET = f"sk_test_{secrets.token_hex(20)}"
KEY = {"name": "laptop", "scopes": ["profile:read"]}
WAYS = (
    *("header", "lower", "basic", "bare", "api-key", "cookie", "suffixed", "query"),
    *("wrong header", "twice", "long"),
)


class Witness:
    """Sends requests, keeps every refusal, and knows what may never be told."""

    def __init__(self, server: Server, clerk: Instance) -> None:
        self.server, self.clerk = server, clerk
        self._log_start = server.log.stat().st_size
        self.secrets = {ADA, EVE, PASSWORD, LEGACY_SECRET, PEPPER, CLERK_SECRET, clerk.webhook_secret}
        self.secrets.add(clerk.webhook_secret.removeprefix("whsec_"))
        self.refusals: list[str] = []
        self.statuses: set[int] = set()

    def hide(self, *values: str) -> None:
        """None of these may be told: the whole, and each part of a token that is long enough to tell anything."""
        for value in values:
            self.secrets |= {part for part in (value, *value.split(".")) if len(part) >= TELLING_LENGTH}

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = self.server.request(method, path, **options)
        self._keep(answer.status_code, f"{answer.text} {dict(answer.headers)}")
        return answer

    def send_raw(self, target: str, headers: dict[str, str]) -> None:
        status, head, body = exchange(self.server, raw_request("GET", target, headers))
        self._keep(status, f"{body.decode('latin-1')} {head}")

    def _keep(self, status: int, told: str) -> None:
        self.statuses.add(status)
        if status >= 400:
            self.refusals.append(told)

    def show(self, credential: str, ways: Sequence[str] = WAYS) -> None:
        """In every place where a credential may be put, rightly or wrongly, to routes of every kind."""
        self.hide(credential)
        for way in ways:
            headers = {
                "header": {"Authorization": f"Bearer {credential}"},
                "lower": {"authorization": f"bearer {credential} "},
                "basic": {"Authorization": f"Basic {credential}"},
                "bare": {"Authorization": credential},
                "api-key": {"X-API-Key": credential},
                "cookie": {"Cookie": f"__session={credential}"},
                "suffixed": {"Cookie": f"__session_QvfNY2dr={credential}; __client_uat=1"},
                "query": {},
                "wrong header": {"X-Authorization": credential, "Origin": "null"},
                "twice": {"Authorization": f"Bearer {credential}, Bearer {credential}"},
                "long": {"Authorization": f"Bearer {credential}{'x' * 8200}"},
            }[way]
            query = f"?__session={credential}&api_key={credential}" if way == "query" else ""
            for method, path in (
                ("GET", "/auth/me"),
                ("GET", "/protected"),
                ("POST", "/api/keys"),
                ("GET", "/nowhere"),
                ("PUT", "/auth/me"),
            ):
                self.send(method, path + query, headers=headers)
        self.send_raw("/auth/me", {"Authorization": f"Bearer {credential}{'x' * 17_000}"})
        self.send_raw("/auth/me", {"Authorization": f"Bearer {credential}\x00"})
        self.send_raw("/auth/me", {"Authorization ": f"Bearer {credential}"})
        self.send("GET", f"/protected?session_id={credential}", headers={"Authorization": self.bearer()})

    def bearer(self, sub: str = "user_ada", **claims: Any) -> str:
        token = self.clerk.token(sub=sub, **claims)
        self.hide(token)
        return f"Bearer {token}"

    def deliver(self, kind: str, data: object, *, forged: bool = False) -> int:
        body = event(kind, data)
        headers = self.clerk.webhook_headers(body)
        self.hide(headers["svix-signature"].removeprefix("v1,"))
        return self.send("POST", "/api/webhooks", data=body + b" " * forged, headers=headers).status_code

    def log(self) -> str:
        """What was logged since the witness came."""
        return self.server.log.read_bytes()[self._log_start :].decode("utf-8", "replace")

    def is_kept(self) -> None:
        """Nothing was told, in no refusal and not in the log."""
        log = self.log()
        for secret in self.secrets:
            assert secret not in log, [line for line in log.splitlines() if secret in line]
            for refusal in self.refusals:
                assert secret not in refusal, f"{secret} is told: {refusal}"


# Those that are looked for in the database.
LOOKED_UP = ("session", "key", "other key", "legacy", "legacy of another")


def credentials(witness: Witness, sql: Sql) -> dict[str, str]:
    """One of each kind that is good, and those that are not."""
    clerk = witness.clerk
    made = witness.server.request("POST", "/api/keys", headers={"Authorization": witness.bearer()}, json=KEY)
    key: str = made.json()["key"]
    witness.hide(sql.value("SELECT key_hash FROM api_keys"))
    good = clerk.token(sub="user_ada", email=ADA)
    claims = {"sub": "1", "email": ADA, "exp": int(time.time()) + 3_600}
    legacy = jwt.encode(claims, LEGACY_SECRET, "HS256")
    return {
        "session": good,
        "forged": forge(good),
        "of another instance": Instance().token(email=ADA),
        "expired": clerk.token(sub="user_ada", exp=1),
        "of another issuer": clerk.token(sub="user_ada", iss="https://other.example.com"),
        "of no algorithm": clerk.token(headers={"alg": "none"}),
        "of another kind": clerk.token(headers={"cat": "cl_B7d4PD222AAA"}),
        "of a long subject": clerk.token(sub=ADA * 20),
        "key": key,
        "mistyped key": key[:-1] + ("A" if key[-1] != "A" else "B"),
        "other key": f"sk_app_{secrets.token_hex(18)}",
        "secret key of Clerk": f"sk_live_{secrets.token_hex(20)}",
        "machine key of Clerk": f"ak_{secrets.token_hex(16)}",
        "legacy": legacy,
        "forged legacy": forge(legacy),
        "expired legacy": jwt.encode(claims | {"exp": 1}, LEGACY_SECRET, "HS256"),
        "legacy of another": jwt.encode(claims | {"email": EVE}, LEGACY_SECRET, "HS256"),
        "legacy secret": LEGACY_SECRET,
        "our key for Clerk": CLERK_SECRET,
        "address": ADA,
    }
