"""How far the copy of what Clerk holds was from Clerk when it was last compared."""

from typing import Any

from sqlalchemy import text

from backend.services.clerk.mirror.status import LAST_RUNS
from backend.services.doctor.finding import Finding, Subject, failed, ok, show_age


def check_drift(subject: Subject) -> Finding:
    runs: dict[str, Any] = subject.read(lambda connection: connection.execute(text(LAST_RUNS.query)).scalar_one()) or {}
    last = runs.get("reconcile")
    if last is None:
        return ok("not known: flask --app wsgi clerk reconcile compares the copy with Clerk")
    age = show_age(last["age"])
    if last["status"] != "finished":
        return failed(
            f"the reconcile of {age} ago was stopped: {last['error']}", "Run it again, and read what it says."
        )
    if last["drift"]:
        says = f"{last['drift']} differences from Clerk {age} ago"
        return failed(says, "Run flask --app wsgi clerk reconcile --apply.")
    return ok(f"none {age} ago")
