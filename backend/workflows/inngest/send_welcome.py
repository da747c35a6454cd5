"""A sample: a minute after the first sign-up the user gets a mail, at most once."""

from datetime import timedelta
from email.message import EmailMessage
from functools import partial

import inngest
from sqlalchemy import Connection, select

from backend.container import current_services, in_transaction
from backend.models import AuditEvent, User
from backend.services.audit import SYNC, Action, record
from backend.workflows.inngest import workflow

SUBJECT = "Welcome"
TEXT = "Hello{name},\n\nyour account is ready.\n"


@workflow(trigger=inngest.TriggerEvent(event="app/user.signed_up"), retries=10)
def send_welcome(ctx: inngest.ContextSync) -> dict[str, bool]:
    user_id = ctx.event.data.get("user_id")
    if not isinstance(user_id, int):
        raise inngest.NonRetriableError("data.user_id is no user's.")
    # Until then the profile has come, with the address, and whoever was made by mistake is gone again.
    ctx.step.sleep("wait a minute", timedelta(minutes=1))
    if not ctx.step.run("look the user up", partial(_can_be_welcomed, user_id)):
        return {"sent": False}
    return {"sent": ctx.step.run("write a mail", partial(_write, user_id))}


def _can_be_welcomed(user_id: int) -> bool:
    """Whether there is an address. Not which: Inngest keeps what a step returns."""
    services = current_services()
    return services.mailer is not None and services.database.read(partial(_read_user, user_id=user_id)) is not None


def _write(user_id: int) -> bool:
    mailer = current_services().mailer
    if mailer is None:
        return False
    # Connected first: that fails more often than all else, and then nothing is noted and Inngest tries again.
    with mailer.connect() as send:
        message = in_transaction(lambda connection: _begin(connection, user_id, mailer.sender))
        if message is not None:
            send(message)
    return message is not None


def _begin(connection: Connection, user_id: int, sender: str) -> EmailMessage | None:
    """The mail, noted as sent before it is: at most once, whatever happens then. None when it was, or to nobody."""
    user = _read_user(connection, user_id, for_update=True)
    welcomed = (AuditEvent.subject_user_id == user_id, AuditEvent.action == Action.USER_WELCOMED)
    if user is None or connection.execute(select(AuditEvent.audit_id).where(*welcomed)).first():
        return None
    record(connection, SYNC, Action.USER_WELCOMED, user_id)
    email, first_name = user
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, email, SUBJECT
    message.set_content(TEXT.format(name=f" {first_name}" if first_name else ""))
    return message


def _read_user(connection: Connection, user_id: int, *, for_update: bool = False) -> tuple[str, str | None] | None:
    """The verified address and the first name of a live user."""
    live = (User.user_id == user_id, User.deleted_at.is_(None), User.email.is_not(None), User.email_verified)
    query = select(User.email, User.first_name).where(*live)
    row = connection.execute(query.with_for_update(key_share=True) if for_update else query).first()
    return None if row is None or row.email is None else (row.email, row.first_name)
