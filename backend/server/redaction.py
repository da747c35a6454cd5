"""What no log line may hold, whoever wrote it: the last step before a line is written."""

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"
MIN_SECRET = 8  # shorter ones are words
# Each form begins where nothing before it could belong to it and takes all it can at once, so that a line of any length
# is gone through once.
HEADER = (
    r"(?P<kept>\b(?:authorization|cookie|x-api-key|svix-signature)\b[\"'\\]*\s*[:=]\s*[\"'\\]*(?:(?:bearer|basic)\s+)?)"
    r"[^\s\"',\\]++"
)
FORMS = (
    r"(?<=://)[^\s/\"'@:]*+:[^\s\"'@]*+@",  # the user and password of a URL
    HEADER,
    r"(?<![\w-])eyJ[\w-]{4,}+(?:\.[\w-]*+)*+",  # a JWT, or a part of one
    r"(?<![A-Za-z0-9])(?:sk_(?:live|test)_|ak_|whsec_|signkey-)[\w+/=-]++",  # keys of Clerk, Svix and Inngest
    r"(?<![\w.+%\\-])[\w.+%\\-]++@(?:[\w-]|\\u[0-9a-f]{4})++(?:\.(?:[\w-]|\\u[0-9a-f]{4})++)++",  # an address
)
# A line without any of these holds nothing to hide: to look for them costs 2 µs, to search 36.
MARKS = (
    "eyj",
    "@",
    "sk_live_",
    "sk_test_",
    "ak_",
    "whsec_",
    "signkey-",
    "authorization",
    "cookie",
    "x-api-key",
    "svix-",
)


class Redaction:
    """Hides tokens, keys, passwords and e-mail addresses by their form, and these secrets by their text."""

    def __init__(self, key_prefix: str, secrets: Iterable[str]) -> None:
        """`key_prefix`: of our API keys."""
        self._secrets = sorted({secret for secret in secrets if len(secret) >= MIN_SECRET}, key=len, reverse=True)
        key = rf"(?<![A-Za-z0-9]){re.escape(key_prefix)}_[A-Za-z0-9]{{8,}}+"
        self._marks = (*MARKS, f"{key_prefix}_".lower())
        self._forms = re.compile("|".join((*FORMS, key)), re.IGNORECASE)

    def hide(self, line: str) -> str:
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, HIDDEN)
        lower = line.lower()
        if any(mark in lower for mark in self._marks):
            return self._forms.sub(lambda found: (found["kept"] or "") + HIDDEN, line)
        return line
