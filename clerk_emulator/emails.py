"""The e-mails Clerk would send. Nothing leaves the machine; the event that tells of each does."""

import sqlite3

from clerk_emulator import outbox
from clerk_emulator.context import Change
from clerk_emulator.ids import new_id
from clerk_emulator.verifications import CODE


def send_code(
    change: Change,
    address: str,
    *,
    email_address_id: str | None = None,
    user: sqlite3.Row | None = None,
    slug: str = "verification_code",
) -> None:
    """Tell the webhooks of a code, as Clerk does for applications that send their e-mails themselves."""
    application = change.emulator.application_name
    user_id = user["id"] if user else None
    text = f"{CODE} is your verification code"
    data = {
        "object": "email",
        "id": new_id("ema"),
        "slug": slug,
        "from_email_name": "notifications",
        "to_email_address": address,
        "email_address_id": email_address_id,
        "user_id": user_id,
        "subject": text,
        "body": f"<p>{text} for {application}.</p>",
        "body_plain": f"{text} for {application}.\n",
        "status": "queued",
        "delivered_by_clerk": True,
        "data": {"app": {"name": application}, "otp_code": CODE},
    }
    outbox.emit(change, "email.created", data, user_id=user_id or address)
