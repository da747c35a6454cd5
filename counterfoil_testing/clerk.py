"""A Clerk instance of the tests' own: a generated key, the tokens and webhooks it signs, the JWK set it serves."""

import base64
import contextlib
import json
import secrets
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from svix.webhooks import Webhook

SESSION_CATEGORY = "cl_B7d4PD111AAA"


def clerk_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(14)[:27]}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Instance:
    """Signs what Clerk would sign."""

    def __init__(self, host: str = "tests.clerk.accounts.dev") -> None:
        self.host = host
        self.issuer = f"https://{host}"
        self.kid = clerk_id("ins")
        self.key = rsa.generate_private_key(65537, 2048)
        self.webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.publishable_key = "pk_test_" + base64.b64encode(f"{host}$".encode()).decode().rstrip("=")

    @property
    def pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def settings(self) -> dict[str, str]:
        """What has an application trust this instance."""
        return {"CLERK_JWT_KEY": self.pem, "CLERK_ISSUER": self.issuer, "CLERK_WEBHOOK_SECRET": self.webhook_secret}

    @property
    def jwk(self) -> dict[str, Any]:
        return {
            **RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True),
            "kid": self.kid,
            "use": "sig",
            "alg": "RS256",
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a version 2 session token that is good for a minute. A change to `...` drops the claim."""
        now = int(time.time())
        claims = {
            "exp": now + 60,
            "fva": [0, -1],
            "iat": now,
            "iss": self.issuer,
            "jti": secrets.token_hex(10),
            "nbf": now - 10,
            "sid": clerk_id("sess"),
            "sts": "active",
            "sub": clerk_id("user"),
            "v": 2,
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A session token. `headers` and `claims` change single members; `...` drops one."""
        header = {"kid": self.kid, "typ": "JWT", "cat": SESSION_CATEGORY, "alg": "RS256"} | (headers or {})
        return self.sign(
            json.dumps({name: value for name, value in header.items() if value is not ...}).encode(),
            json.dumps(self.claims(**claims)).encode(),
        )

    def sign(self, header: bytes, payload: bytes) -> str:
        """Any bytes as a JWS with our good RS256 signature: what a library would refuse to make can be tested too."""
        signed = b64url(header) + b"." + b64url(payload)
        signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed, self.key)
        return (signed + b"." + b64url(signature)).decode()

    def webhook_headers(
        self, body: bytes, *, event_id: str | None = None, age: int = 0, secret: str | None = None
    ) -> dict[str, str]:
        """The headers of a delivery that was signed `age` seconds ago."""
        event_id = event_id or clerk_id("msg")
        at = datetime.fromtimestamp(int(time.time()) - age, UTC)
        return {
            "svix-id": event_id,
            "svix-timestamp": str(int(at.timestamp())),
            "svix-signature": Webhook(secret or self.webhook_secret).sign(event_id, at, body.decode()),
            "content-type": "application/json",
        }


def b64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def user_data(
    user_id: str, *, updated_at: int | None = None, email: str | None = None, **changes: Any
) -> dict[str, Any]:
    """The `data` of a user event, with the members that matter and a few that do not."""
    email_id = clerk_id("idn")
    verification = {"status": "verified", "strategy": "email_code"}
    addresses = [{"id": email_id, "email_address": email, "verification": verification}] if email else []
    return {
        "object": "user",
        "id": user_id,
        "external_id": None,
        "primary_email_address_id": email_id if email else None,
        "email_addresses": addresses,
        "username": None,
        "first_name": None,
        "last_name": None,
        "image_url": "https://img.clerk.com/x",
        "public_metadata": {},
        "banned": False,
        "locked": False,
        "created_at": updated_at or now_ms(),
        "updated_at": updated_at or now_ms(),
    } | changes


def session_data(user_id: str, session_id: str, **changes: Any) -> dict[str, Any]:
    """The `data` of a session event."""
    at = now_ms()
    return {
        "object": "session",
        "id": session_id,
        "user_id": user_id,
        "client_id": clerk_id("client"),
        "actor": None,
        "status": "active",
        "user": None,
        "expire_at": at + 604_800_000,
        "abandon_at": at + 2_592_000_000,
        "created_at": at,
        "updated_at": at,
    } | changes


def event(kind: str, data: Any, **envelope: Any) -> bytes:
    """The body of a webhook. `envelope`: other members than these, or other values."""
    members = {"object": "event", "type": kind, "timestamp": now_ms(), "data": data}
    return json.dumps(members | envelope).encode()


class KeyServer:
    """Serves JWK sets on loopback and counts who asks. Change `answer` to change what the next request gets."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.requests: list[dict[str, str]] = []
        self.serve(*keys)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.requests.append({"path": self.path, **self.headers})
                with contextlib.suppress(OSError):  # the client gave up, as it should
                    owner.answer(self)

            def log_message(self, *_args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}/.well-known/jwks.json"

    def serve(self, *keys: dict[str, Any]) -> None:
        self.answer = answer_json({"keys": list(keys)})

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer_json(document: object, status: int = 200) -> Any:
    """An `answer` for KeyServer: this document."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer
