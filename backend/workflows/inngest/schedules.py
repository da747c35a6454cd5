"""What is to be done again and again. Where Inngest is set it calls these; elsewhere cron runs the commands.

Both at once do no harm: each kind of work keeps others of its kind away.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count

import inngest

from backend.container import Services, current_services
from backend.services import purge
from backend.services.clerk.webhooks.ledger import FAILED
from backend.services.clerk.webhooks.list import EventFilter
from backend.services.clerk.webhooks.replay import replay_all
from backend.workflows.inngest import workflow

# Of one call. The worker gives a request up after REQUEST_TIMEOUT, 10 s by default; one batch more still has time.
PART = 0.5
# Does a part of the work, until this time of the monotonic clock; how much it was. 0: nothing is left.
Work = Callable[[Services, float], int]


def end_of_part(services: Services) -> float:
    return time.monotonic() + services.settings.request_timeout * PART


def _purge(services: Services, ends_at: float) -> int:
    kept = timedelta(days=services.settings.audit_retention_days)
    return purge.delete_until(services.database.transact, kept, services.settings.retention, ends_at)


def _replay(services: Services, ends_at: float) -> int:
    """One part an hour: what fails again would be tried without end."""
    services.clerk.check_keys()
    failed = EventFilter(statuses=(FAILED,))
    for _ in replay_all(services.database.transact, services.mirror, failed, services.clerk.instance_ids):
        if time.monotonic() >= ends_at:
            break
    return 0


# By the names of the commands: when (UTC), and what.
SCHEDULES: dict[str, tuple[str, Work]] = {"purge": ("17 3 * * *", _purge), "webhooks-replay": ("37 * * * *", _replay)}


def _schedule(name: str, cron: str, work: Work) -> None:
    def part() -> int:
        services = current_services()
        return work(services, end_of_part(services))

    @workflow(fn_id=name, trigger=inngest.TriggerCron(cron=cron), concurrency=[inngest.Concurrency(limit=1)])
    def run(ctx: inngest.ContextSync) -> dict[str, int]:
        done = 0
        for number in count(1):
            some = ctx.step.run(f"part {number}", part)
            if not some:
                break
            done += some
        return {"done": done}


for _name, (_cron, _work) in SCHEDULES.items():
    _schedule(_name, _cron, _work)
