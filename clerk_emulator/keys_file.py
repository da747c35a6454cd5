"""`keys.env`: the settings an application needs to use this emulator, in dotenv form."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from clerk_emulator.instance import PUBLISHABLE_KEY, Instance

NAME = "keys.env"


@dataclass(frozen=True)
class Access:
    """Where a running emulator is, and the key that opens its Backend API."""

    url: str
    secret_key: str = field(repr=False)


def write_keys(state_dir: Path, instance: Instance, url: str) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    lines = {
        "CLERK_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "CLERK_SECRET_KEY": instance.secret_key,
        "CLERK_WEBHOOK_SECRET": instance.webhook_secret,
        "CLERK_JWKS_URL": f"{url}/.well-known/jwks.json",
        "CLERK_API_URL": url,
        # Tokens minted through the Backend API carry no azp claim, at Clerk as here.
        "CLERK_MISSING_AZP": "allow",
    }
    content = "".join(f"{name}={value}\n" for name, value in lines.items())
    # NamedTemporaryFile creates it with mode 0600.
    with tempfile.NamedTemporaryFile("w", dir=state_dir, prefix=NAME, delete=False, encoding="utf-8") as file:
        file.write(content)
    Path(file.name).replace(state_dir / NAME)


def read_access(state_dir: Path) -> Access:
    """Read what a command needs; OSError or KeyError when the file is absent or not whole."""
    lines = (state_dir / NAME).read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return Access(url=values["CLERK_API_URL"], secret_key=values["CLERK_SECRET_KEY"])
