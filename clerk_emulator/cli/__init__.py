"""The commands of `flask --app clerk_emulator`."""

from clerk_emulator.cli.messages import messages, replay
from clerk_emulator.cli.sessions import curl, sign_in, sign_out, token
from clerk_emulator.cli.users import ban, delete, list_users, sign_up, update

COMMANDS = (sign_up, sign_in, sign_out, token, curl, list_users, update, ban, delete, messages, replay)
