"""Settings that the start accepts, and that are a slip all the same."""

import os
from collections.abc import Iterable
from difflib import get_close_matches

from dotenv import dotenv_values

from backend.services.doctor.finding import Finding, Subject, failed, off, ok
from backend.version import VERSION
from config import PROJECT, setting_names
from settings.development import LOCAL_CLERK_WEBHOOK_MARK
from settings.keys import webhook_secret_bytes

# CLERK_SECERT_KEY is that near to CLERK_SECRET_KEY, and CLERK_API_KEY farther from CLERK_API_URL.
LIKENESS = 0.9


def check_settings(subject: Subject) -> Finding:
    """That none is misspelt: such a line does nothing, and nobody says so."""
    settings = subject.settings
    given = {name for name, value in {**dotenv_values(PROJECT / ".env"), **os.environ}.items() if value}
    misspelt = find_misspelt(given)
    if misspelt:
        told = ", ".join(f"{name} (for {meant}?)" for name, meant in misspelt.items())
        return failed(f"no setting has this name: {told}", "Correct it in .env or in the environment.")
    clerk = ", the local Clerk instance" if settings.uses_local_clerk else ""
    return ok(f"version {VERSION}, {settings.env}{clerk}")


def find_misspelt(given: Iterable[str]) -> dict[str, str]:
    """Names that are none of ours and nearly one that is not given."""
    names = set(setting_names())
    given = set(given)
    near = {name: get_close_matches(name, names - given, n=1, cutoff=LIKENESS) for name in sorted(given - names)}
    return {name: match[0] for name, match in near.items() if match}


def check_origins(subject: Subject) -> Finding:
    settings = subject.settings
    parties = settings.authorized_parties
    if not parties:
        how = "names any" if settings.clerk_authorized_parties else "is not set"
        return ok(f"CLERK_AUTHORIZED_PARTIES {how}, so a token made for any page of the Clerk instance counts")
    if others := [origin for origin in settings.cors_origins if origin not in parties]:
        return failed(
            f"scripts of {', '.join(others)} may call (CORS_ORIGINS), and their tokens are refused",
            "Add the origin to CLERK_AUTHORIZED_PARTIES, or take it out of CORS_ORIGINS.",
        )
    return ok(f"tokens of {', '.join(parties)} count")


def check_webhook_secret(subject: Subject) -> Finding:
    """Its form is checked at the start."""
    settings = subject.settings
    secrets = settings.clerk_webhook_secret
    if not secrets:
        return off(
            "not set, so no webhook is accepted",
            "Set CLERK_WEBHOOK_SECRET to the signing secret of your endpoint at Clerk.",
        )
    is_local = any(webhook_secret_bytes(secret).startswith(LOCAL_CLERK_WEBHOOK_MARK) for secret in secrets)
    if is_local and settings.clerk_publishable_key and not settings.uses_local_clerk:
        return failed(
            "is of the local Clerk instance, and the publishable key is not",
            "Set CLERK_WEBHOOK_SECRET to the signing secret of your endpoint at Clerk.",
        )
    return ok("one" if len(secrets) == 1 else f"{len(secrets)}, as while one is being rotated")
