"""Clerk: that it is reached, and that all keys and addresses are of one instance."""

import time
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from backend.services.clerk.client.clock import read_date
from backend.services.clerk.client.http import TIMEOUT_SECONDS, FetchError, HttpClient, get_json
from backend.services.core.clerk_service import INSTANCE_PREFIX
from backend.services.core.key_file import KeyFile
from backend.services.core.public_keys import MAX_SET_BYTES
from backend.services.doctor.database import judge_clock
from backend.services.doctor.finding import Finding, Subject, failed, off, ok, show_age

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
SAME_INSTANCE = "of the same Clerk instance as the public keys"
OTHER_INSTANCE = "is of another Clerk instance than the public keys that tokens are verified with"


def check_public_keys(subject: Subject) -> Finding:
    """Whether they can be fetched now, and how old the set is that this node would use without Clerk."""
    settings = subject.settings
    if settings.clerk_jwt_key:
        return ok("CLERK_JWT_KEY, which needs no network")
    host = urlsplit(settings.jwks_url).hostname
    kept, age = KeyFile(settings.clerk_jwks_dir, settings.jwks_url).read()
    here = f"those that this node keeps are {show_age(age)} old" if kept else "this node keeps none"
    try:
        count = len(subject.keys)
    except FetchError as error:
        return failed(f"not to be had from {host}: {error}; {here}", "Let this server reach that host by HTTPS.")
    if not count:
        return failed(f"{host} has none that can be used; {here}", "Correct CLERK_PUBLISHABLE_KEY or CLERK_JWKS_URL.")
    return ok(f"{count} at {host}; {here}")


def check_instance(subject: Subject) -> Finding:
    """By which id events of another instance are told."""
    configured = subject.settings.clerk_instance_id
    ids = [kid for kid in subject.keys if kid.startswith(INSTANCE_PREFIX)]
    if configured and ids and configured not in ids:
        return failed(f"CLERK_INSTANCE_ID is not {' or '.join(ids)}, which signs the tokens", "Correct or remove it.")
    if configured or ids:
        return ok(configured or ", ".join(ids))
    says = "not known, so events of another Clerk instance would count"
    mend = "Set CLERK_INSTANCE_ID."
    return failed(says, mend) if subject.settings.is_production else off(says, mend)


def check_issuer(subject: Subject) -> Finding:
    settings = subject.settings
    host, issuers = settings.frontend_api_host, ", ".join(settings.issuers)
    if host and f"https://{host}" not in settings.issuers:
        return failed(
            f"CLERK_PUBLISHABLE_KEY makes tokens of https://{host}, and {issuers} counts",
            "Add that issuer to CLERK_ISSUER, or remove CLERK_ISSUER.",
        )
    return ok(issuers)


def check_publishable_key(subject: Subject) -> Finding:
    """That the sign-in of the page makes the tokens that are accepted here."""
    settings = subject.settings
    host = settings.frontend_api_host
    if not host:
        return off("not set, so the page cannot sign in", "Set CLERK_PUBLISHABLE_KEY.")
    if settings.uses_local_clerk or urlsplit(settings.jwks_url).netloc == host:
        return ok(f"the public keys are those of {host}")
    try:
        is_same = subject.shares_key(get_json(f"https://{host}/.well-known/jwks.json", max_bytes=MAX_SET_BYTES))
    except FetchError as error:
        return off(f"not compared with the public keys of {host}: {error}")
    if not is_same:
        return failed(OTHER_INSTANCE, "Take it and CLERK_JWT_KEY or CLERK_JWKS_URL from one instance.")
    return ok(SAME_INSTANCE)


def check_secret_key(subject: Subject) -> Finding:
    if not subject.backend_api.is_configured:
        return off(
            "not set, so Clerk's Backend API is not used: no profile before its webhook, no bans, no live checks",
            "Set CLERK_SECRET_KEY.",
        )
    try:
        is_same = subject.shares_key(subject.backend_api.get_key_set())
    except FetchError as error:
        if error.status in REFUSED:
            return failed(f"Clerk refuses it ({error.status})", "Copy CLERK_SECRET_KEY from Clerk's dashboard again.")
        return failed(f"Clerk's Backend API: {error}", "Let this server reach CLERK_API_URL by HTTPS.")
    if not is_same:
        return failed(OTHER_INSTANCE, "Take CLERK_SECRET_KEY and CLERK_PUBLISHABLE_KEY from one instance.")
    return ok(SAME_INSTANCE)


def check_clerk_clock(subject: Subject) -> Finding:
    settings = subject.settings
    url = settings.clerk_api_url if subject.backend_api.is_configured else settings.jwks_url
    if not url:
        return off("not compared: without CLERK_SECRET_KEY, and with CLERK_JWT_KEY, Clerk is never asked")
    asked_at = time.time()
    theirs = _read_date(url)
    if theirs is None:
        return off(f"not compared: {urlsplit(url).hostname} does not say what time it is")
    return judge_clock("Clerk", theirs - (asked_at + time.time()) / 2)


def _read_date(url: str) -> float | None:
    """The time of a response, whatever else is in it. In Unix seconds."""
    try:
        with HttpClient() as client:
            return read_date(client.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True))
    except requests.RequestException:
        return None
