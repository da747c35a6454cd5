"""gunicorn.conf.py as shipped, but counted requests are written only when the server stops, or when a test says.

Every test begins with empty tables and user_id 1: written later, the count of one test's user would be the next one's.
A test may also shorten the 30 s in which a client must take a piece of its answer, and the pause of the outbox.
"""

import os
import runpy
from pathlib import Path
from typing import Any

SHIPPED = runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py"))
globals().update(SHIPPED)


def post_worker_init(worker: Any) -> None:
    from backend.server import fair_worker, outbox_publisher  # noqa: PLC0415
    from backend.server import request_counter as request_counts  # noqa: PLC0415 - after gevent has patched the standard library

    request_counts.FLUSH_SECONDS = float(os.environ.get("TEST_FLUSH_SECONDS", "86400"))
    outbox_publisher.LOOK_SECONDS = float(os.environ.get("TEST_OUTBOX_SECONDS", outbox_publisher.LOOK_SECONDS))
    fair_worker.PROGRESS_SECONDS = float(os.environ.get("TEST_PROGRESS_SECONDS", fair_worker.PROGRESS_SECONDS))
    SHIPPED["post_worker_init"](worker)
