"""What no program that a test started may have written: looked for in the logs of all of them when the tests end."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from config import Settings

# Not those of backend/server/redaction.py: what it forgets is to be found.
FORMS = re.compile(
    r"eyJ[\w-]{20,}\.[\w-]+|\b(?:sk_app|sk_test|sk_live|whsec)_[\w+/]{12,}|[\w.+-]+@[\w-]+\.[a-z]{2,}", re.IGNORECASE
)
SECRET_SETTINGS = {
    str(name).upper()
    for field, info in Settings.model_fields.items()
    if "SecretStr" in str(info.annotation)
    for name in (getattr(info.validation_alias, "choices", None) or [field])
}
LEAST = 12
_known: set[str] = set()


def remember(settings: Mapping[str, str]) -> None:
    """These are the settings of a program that a test starts."""
    for name in SECRET_SETTINGS & set(settings):
        parts = {settings[name], *settings[name].split(",")}
        passwords = {part.partition("://")[2].rpartition("@")[0].partition(":")[2] for part in parts}
        _known.update(part for part in parts | passwords if len(part) >= LEAST)


def told_in(folder: Path) -> Iterator[str]:
    """Where something secret stands in the logs of a folder. Names the line by its first part alone."""
    for log in folder.rglob("*.log"):
        for number, line in enumerate(log.read_text("utf-8", "replace").splitlines(), 1):
            if FORMS.search(line) or any(secret in line for secret in _known):
                yield f"{log}:{number}: {line[:300]}"
