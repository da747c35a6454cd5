"""What is to be read in the text of Clerk's keys."""

import base64
import binascii
import re

# Clerk's own API keys, M2M tokens, OAuth tokens and secret keys.
CLERK_KEY_PREFIXES = ("ak_", "mt_", "oat_", "sk_test_", "sk_live_")


def frontend_api_host(publishable_key: str) -> str:
    """The host inside `pk_test_…` or `pk_live_…`: base64 of `<host>$`, padding optional (Clerk keys.ts).

    Raises ValueError.
    """
    match = re.fullmatch(r"pk_(?:test|live)_([A-Za-z0-9+/_-]+)={0,2}", publishable_key)
    try:
        text = base64.b64decode(match[1] + "=" * (-len(match[1]) % 4), altchars=b"-_").decode("ascii") if match else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    host = text.removesuffix("$")
    if host == text or not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?", host):
        raise ValueError("is not a Clerk publishable key (pk_test_… or pk_live_…)")
    return host
