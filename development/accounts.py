"""The system account that owns and runs the embedded PostgreSQL, which refuses to run as root."""

import contextlib
import os
import pwd
import shlex
import sys
from pathlib import Path
from typing import TypedDict

from config import ConfigError

OTHERS_MAY_PASS = 0o001  # search, not list: enough to reach a file whose name is known
OTHERS_MAY_READ = 0o004


class RunAs(TypedDict, total=False):
    """Arguments for subprocess that change the account; empty when there is nothing to change."""

    user: int
    group: int
    extra_groups: list[int]


def account_for(folder: Path) -> pwd.struct_passwd:
    """Who runs the server whose files live in `folder`.

    The caller, unless that is root. Then the owner of the project, so that `sudo make run` leaves files its
    owner can still use; and `nobody` where all belongs to root, as in a container: no account is ever made.
    """
    caller = os.geteuid()
    if caller != 0:
        try:
            return pwd.getpwuid(caller)
        except KeyError:
            raise ConfigError(
                f"DATABASE_URL: PostgreSQL needs a name for user id {caller}, and /etc/passwd has none. "
                "Add the user, or set DATABASE_URL to a server"
            ) from None
    for place in (folder, *folder.parents):
        owner = place.stat().st_uid if place.exists() else 0
        if owner != 0:
            with contextlib.suppress(KeyError):  # a mounted folder may belong to a user this system does not know
                return pwd.getpwuid(owner)
    return pwd.getpwnam("nobody")


def run_as(account: pwd.struct_passwd) -> RunAs:
    if account.pw_uid == os.geteuid():
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def private_folder(folder: Path, account: pwd.struct_passwd) -> None:
    """Make `folder` exist, owned by `account` and closed to others: whoever gets in is a superuser.

    Raises ConfigError when it belongs to somebody else, for example after a run as root.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Through a handle that follows no link: root must not give away what somebody in /tmp points to.
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.geteuid() == 0:
                os.fchown(handle, account.pw_uid, account.pw_gid)
            os.fchmod(handle, 0o700)
        finally:
            os.close(handle)
    except PermissionError:
        taken = next(place for place in (folder, *folder.parents) if place.exists())
        raise ConfigError(
            f"DATABASE_URL: {taken} belongs to {_owner(taken)}, so the embedded PostgreSQL cannot be used by "
            f"{account.pw_name}. Run: sudo chown -R {account.pw_name} {shlex.quote(str(taken))}"
        ) from None


def let_reach(account: pwd.struct_passwd, *targets: Path) -> None:
    """As root: open the way to `targets` for `account` where a parent is closed (/root usually is), and say so."""
    if account.pw_uid == os.geteuid():
        return
    for place in {parent for target in targets for parent in target.parents}:
        if not _may_pass(account, place):
            place.chmod(place.stat().st_mode | OTHERS_MAY_PASS)
            print(
                f"chmod o+x {place}: PostgreSQL does not run as root, and {account.pw_name} must get through",
                file=sys.stderr,
            )


def let_read(account: pwd.struct_passwd, tree: Path) -> None:
    """As root: make an installed `tree` readable for `account`; under umask 077 pip wrote it for root only."""
    if account.pw_uid == os.geteuid() or tree.stat().st_mode & OTHERS_MAY_READ:
        return
    for place in (tree, *tree.rglob("*")):
        mode = place.stat().st_mode
        place.chmod(mode | OTHERS_MAY_READ | (OTHERS_MAY_PASS if mode & 0o100 else 0))


def _may_pass(account: pwd.struct_passwd, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.pw_gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & OTHERS_MAY_PASS)


def _owner(place: Path) -> str:
    try:
        return place.owner()
    except KeyError:
        return f"user id {place.stat().st_uid}"
