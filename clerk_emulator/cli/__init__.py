"""The commands of `flask --app clerk_emulator`."""

from clerk_emulator.cli.billing import plan
from clerk_emulator.cli.instance import bulk_seed, clock, faults, reset, role, seed
from clerk_emulator.cli.messages import messages, replay
from clerk_emulator.cli.sessions import curl, sign_in, sign_out, ticket, token
from clerk_emulator.cli.users import ban, delete, deprovision, list_users, lock, merge, sign_up, unban, unlock, update

COMMANDS = (
    *(sign_up, sign_in, sign_out, token, curl, ticket),
    *(list_users, update, ban, unban, lock, unlock, deprovision, merge, delete),
    *(role, plan, messages, replay, faults, clock, seed, bulk_seed, reset),
)
