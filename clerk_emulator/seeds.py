"""Demo users, so that one can sign in before one signs up."""

from clerk_emulator import passwords, users
from clerk_emulator.context import Change, Emulator

PASSWORD = "counterfoil-demo"  # noqa: S105 - everybody may know it

_USERS = {
    "grace@example.com": ("Grace", "Hopper"),
    "alan@example.com": ("Alan", "Turing"),
    "katherine@example.com": ("Katherine", "Johnson"),
}


def plant(emulator: Emulator) -> list[str]:
    """Create the demo users that are not there; return their addresses."""
    password = passwords.user_columns(PASSWORD)
    planted = []
    with emulator.store.transaction() as db:
        change = Change(db, emulator, client_ip="127.0.0.1", user_agent="clerk_emulator", origin=None)
        for address, (first_name, last_name) in _USERS.items():
            if not users.is_address_taken(db, address):
                names = {"first_name": first_name, "last_name": last_name}
                users.create(change, names | password, [address])
                planted.append(address)
    return planted
