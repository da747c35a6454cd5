"""Reconcile every day, in parts: `flask clerk reconcile --apply`, and never at once with that."""

from functools import partial
from itertools import count

import inngest

from backend.container import current_services
from backend.services.clerk.client.lists import Lists
from backend.services.clerk.mirror import runs
from backend.services.clerk.mirror.backfill import Progress
from backend.services.clerk.mirror.instance import WRONG, is_right_instance
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.reconcile import Reconciler
from backend.workflows.inngest import workflow
from backend.workflows.inngest.schedules import end_of_part

CRON = "47 3 * * *"  # UTC


@workflow(
    fn_id="clerk-reconcile",
    trigger=inngest.TriggerCron(cron=CRON),
    concurrency=[inngest.Concurrency(limit=1)],
    retries=10,
)
def reconcile(ctx: inngest.ContextSync) -> dict[str, int | None]:
    """What is left that differs; None where Clerk cannot be asked."""
    run_id = ctx.step.run("begin", _begin)
    if run_id is None:
        return {"drift": None}
    for number in count(1):
        drift = ctx.step.run(f"part {number}", partial(_reconcile, run_id))
        if drift is not None:
            return {"drift": drift}
    raise AssertionError


def _begin() -> int | None:
    services = current_services()
    if not services.backend_api.is_configured:
        return None
    if not is_right_instance(services.backend_api, services.clerk):
        raise inngest.NonRetriableError(f"{WRONG}.")
    try:
        return runs.begin(services.database.transact, "reconcile", list(KINDS)).run_id
    except runs.Busy as busy:
        raise inngest.RetryAfterError(str(busy), runs.GONE_AFTER) from None


def _reconcile(run_id: int) -> int | None:
    """A part. What is left that differs, once all is done."""
    services = current_services()
    transact, settings = services.database.transact, services.settings
    try:
        run = runs.resume(transact, run_id)
        with run.asking(settings.clerk_api_url, settings.clerk_secret_key.get_secret_value()) as api:
            reconciler = Reconciler(transact, services.mirror, Lists(api), run, Progress(), may_repair=True)
            is_over = reconciler.reconcile(end_of_part(services))
    except (runs.Stopped, runs.TakenOver) as ended:
        raise inngest.NonRetriableError(str(ended)) from None
    return reconciler.drift if is_over else None
