"""The checks, in the order in which they are made, and making them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from backend.database.transactions import describe_fault
from backend.services.doctor import clerk, database, events, rate_limits, setup, sync
from backend.services.doctor.finding import Finding, State, Subject, failed, off


class Check(NamedTuple):
    """`needs`: the name of one before it, without whose `ok` this one could not be made."""

    name: str
    look: Callable[[Subject], Finding]
    needs: str = ""


CHECKS = (
    Check("settings", setup.check_settings),
    Check("origins", setup.check_origins),
    Check("database", database.check_database),
    Check("migrations", database.check_migrations, needs="database"),
    Check("database clock", database.check_database_clock, needs="database"),
    Check("issuer", clerk.check_issuer),
    Check("public keys", clerk.check_public_keys),
    Check("instance", clerk.check_instance, needs="public keys"),
    Check("publishable key", clerk.check_publishable_key, needs="public keys"),
    Check("secret key", clerk.check_secret_key, needs="public keys"),
    Check("Clerk clock", clerk.check_clerk_clock),
    Check("webhook secret", setup.check_webhook_secret),
    Check("webhooks", events.check_webhooks, needs="migrations"),
    Check("webhook types", events.check_webhook_types, needs="webhooks"),
    Check("waiting events", events.check_waiting_events, needs="migrations"),
    Check("plans", events.check_plans, needs="migrations"),
    Check("drift", sync.check_drift, needs="migrations"),
    Check("rate limits", rate_limits.check_rate_limits),
)


def examine(subject: Subject) -> Iterator[tuple[str, Finding]]:
    """Make each check, and say its name and what it found."""
    states: dict[str, State] = {"": State.OK}
    for check in CHECKS:
        is_possible = states[check.needs] is State.OK
        finding = _look(check, subject) if is_possible else off(f"not checked, because of: {check.needs}")
        states[check.name] = finding.state
        yield check.name, finding


def _look(check: Check, subject: Subject) -> Finding:
    try:
        return check.look(subject)
    except (SQLAlchemyError, psycopg2.Error) as error:
        return failed(
            f"the database cannot be used: {describe_fault(error)}",
            "See that PostgreSQL runs, and that DATABASE_URL is right.",
        )
