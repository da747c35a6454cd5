"""Back to an empty instance, whose keys stay: applications and browsers need no restart."""

from clerk_emulator import accounts, organizations, roles
from clerk_emulator.context import Change

_FORGOTTEN = ("organizations", "users", "tickets", "clients", "verifications", "waitlist_entries")


def forget_everything(change: Change, *, tell: bool) -> int:
    """Forget all users, sessions, browsers, organizations and messages; return how many users there were.

    With `tell`, the webhooks of the deletions are sent, as if somebody had deleted one after the other: an application
    keeps a copy of its users. Messages from before are forgotten unsent: they tell of what is no more.
    """
    change.db.execute("DELETE FROM messages")
    count: int = change.db.execute("SELECT count(*) FROM users").fetchone()[0]
    if tell:
        for organization in change.db.execute("SELECT * FROM organizations ORDER BY rowid").fetchall():
            organizations.delete(change, organization)
        for user in change.db.execute("SELECT * FROM users ORDER BY created_at, id").fetchall():
            accounts.delete(change, user)
        roles.delete_own(change)
    for table in _FORGOTTEN:
        change.db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
    roles.forget_own(change.db)
    return count
