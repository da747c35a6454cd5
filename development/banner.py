"""The next steps `make run` prints: each one works when pasted."""

import os
import shlex
import sys
from pathlib import Path

from config import PROJECT
from development.database import libpq_url
from development.postgres import programs

FIRST_QUERY = "SELECT user_id, clerk_user_id, email, created_at FROM users;"


def page(port: int, *, local_clerk: bool) -> str:
    code = ": any e-mail address, the code is 424242" if local_clerk else ""
    return f"Open http://localhost:{port} in your browser and sign up{code}"


def local_sign_up(port: int, local: Path) -> str:
    state = "" if local == PROJECT / ".local" else f" --state {shlex.quote(str(local / 'clerk'))}"
    token = (
        f"{_path(Path(sys.executable).with_name('flask'))} --app clerk_emulator token{state} ada@example.com --sign-up"
    )
    return f'  curl -s http://localhost:{port}/auth/me -H "Authorization: Bearer $({token})"'


def real_clerk(port: int) -> str:
    return "\n".join((
        "  Sign in to your frontend, copy a token in the browser's console: await Clerk.session.getToken()",
        f'  curl -s http://localhost:{port}/auth/me -H "Authorization: Bearer PASTE_THE_TOKEN"',
        f"  For webhooks: ngrok http {port}, then give Clerk's dashboard https://…/api/webhooks",
    ))  # fmt: skip


def psql(url: str) -> str:
    return f"  {_path(programs() / 'psql')} {shlex.quote(libpq_url(url))} -c {shlex.quote(FIRST_QUERY)}"


def _path(program: Path) -> str:
    """Short when the developer stands in the project, which is where `make run` was typed."""
    if program.is_relative_to(PROJECT) and Path.cwd() == PROJECT:
        return shlex.quote(os.path.relpath(program))
    return shlex.quote(str(program))
