"""A Flask application that knows who calls, with a few files of Counterfoil: examples/README.md names them.

Needs CLERK_PUBLISHABLE_KEY and CLERK_AUTHORIZED_PARTIES, the origins of its pages, with commas between. With
CLERK_JWT_KEY, the PEM from the Clerk dashboard, it asks nobody. The local Clerk instance has a CLERK_JWKS_URL.
"""

from collections.abc import Callable
from functools import wraps
from os import environ
from typing import Any, Unpack, cast
from uuid import uuid4

import requests
from flask import Flask, g, request

from backend.access.authorization import Demands, is_authorized
from backend.access.credentials import CredentialFinder
from backend.errors import AppError, ErrorCode
from backend.services.core.claims import ClaimRules, SessionClaims
from backend.services.core.clerk_keys import frontend_api_host
from backend.services.core.clerk_service import ClerkService
from backend.services.core.jwks import PemKey, RemoteKeySet
from backend.services.core.key_file import KeyFile

app = Flask(__name__)


def fetch(url: str) -> object:
    answer = requests.get(url, timeout=3, allow_redirects=False)
    answer.raise_for_status()
    return answer.json()


issuer = f"https://{frontend_api_host(environ['CLERK_PUBLISHABLE_KEY'])}"
origins = frozenset(environ["CLERK_AUTHORIZED_PARTIES"].split(","))
rules = ClaimRules(frozenset({issuer}), origins, allow_missing_azp=environ.get("CLERK_MISSING_AZP") == "allow")
pem, url = environ.get("CLERK_JWT_KEY"), environ.get("CLERK_JWKS_URL") or f"{issuer}/.well-known/jwks.json"
kept = KeyFile(environ.get("CLERK_JWKS_DIR", ""), url)
clerk = ClerkService(PemKey(pem) if pem else RemoteKeySet(url, 3600, fetch, kept), rules)
credentials = CredentialFinder(environ["CLERK_PUBLISHABLE_KEY"], origins)


def get_caller() -> SessionClaims:
    """Who calls, verified once a request. Raises AppError: 401 or 403, or 503 without Clerk's keys."""
    if "caller" not in g:
        _, token = credentials.find(request)
        g.caller = clerk.verify(token)
    return cast("SessionClaims", g.caller)


def get_auth() -> SessionClaims | None:
    """Who calls, or None. Raises AppError without Clerk's keys (503)."""
    try:
        return get_caller()
    except AppError as error:
        if error.code is ErrorCode.JWKS_UNAVAILABLE:
            raise
        return None


def has(**demands: Unpack[Demands]) -> bool:
    """Clerk's `has()`, in the active organization: `has(role="org:admin")`, `has(permission="org:invoices:read")`."""
    auth = get_auth()
    return auth is not None and is_authorized(user_is_signed_in=True, entitlements=auth.entitlements, **demands)


def require_auth(**demands: Unpack[Demands]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def guard(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: object, **kwargs: object) -> object:
            get_caller()
            if demands and not has(**demands):
                raise AppError(ErrorCode.FORBIDDEN, f"This takes {demands} in the active organization.")
            return view(*args, **kwargs)

        return guarded

    return guard


@app.errorhandler(AppError)
def refuse(error: AppError) -> tuple[dict[str, object], int, dict[str, str]]:
    headers = {**error.headers, "Content-Type": "application/problem+json"}
    return error.problem(request_id=uuid4().hex), error.code.status, headers


@app.get("/")
def home() -> dict[str, object]:
    auth = get_auth()
    return {"user_id": auth and auth.clerk_user_id, "may_read_invoices": has(permission="invoices:read")}


@app.get("/whoami")
@require_auth()
def whoami() -> dict[str, object]:
    return {"user_id": get_caller().clerk_user_id, "session_id": get_caller().session_id}


@app.post("/members")
@require_auth(role="org:admin")
def invite() -> dict[str, object]:
    return {"organization_id": get_caller().entitlements.org_id}
