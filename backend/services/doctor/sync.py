"""How far the copy of what Clerk holds was from Clerk when it was last compared."""

from datetime import UTC, datetime

from sqlalchemy import select

from backend.models import SyncRun
from backend.services.doctor.finding import Finding, Subject, failed, ok, show_age

LAST_RECONCILE = (
    select(SyncRun.status, SyncRun.drift, SyncRun.error, SyncRun.finished_at)
    .where(SyncRun.command == "reconcile", SyncRun.finished_at.is_not(None))
    .order_by(SyncRun.finished_at.desc())
    .limit(1)
)


def check_drift(subject: Subject) -> Finding:
    last = subject.read(lambda connection: connection.execute(LAST_RECONCILE).first())
    if last is None:
        return ok("not known: flask --app wsgi clerk reconcile compares the copy with Clerk")
    age = show_age((datetime.now(UTC) - last.finished_at).total_seconds())
    if last.status != "finished":
        return failed(f"the reconcile of {age} ago was stopped: {last.error}", "Run it again, and read what it says.")
    if last.drift:
        says = f"{last.drift} differences from Clerk {age} ago"
        return failed(says, "Run flask --app wsgi clerk reconcile --apply.")
    return ok(f"none {age} ago")
