"""How gunicorn serves Counterfoil. Options on its command line win over these."""

import gc
import multiprocessing
import os
from functools import partial
from typing import Any

worker_class = "backend.server.fair_worker.FairWorker"
logger_class = "backend.server.logs.GunicornLogger"
if not os.environ.get("WEB_CONCURRENCY"):  # gunicorn's own variable
    workers = multiprocessing.cpu_count()
worker_connections = 2000
# Between two requests, and for the head of each: gevent's worker gives a slower client up.
keepalive = 5
# A session token may have 8 KiB; a longer header would be refused before the application can say why.
limit_request_field_size = 16_380
graceful_timeout = 20
max_requests = 0
# Nobody is believed about scheme and path but by TRUSTED_PROXIES: gunicorn would believe whoever comes from loopback,
# and that is everybody who comes through ngrok or a local nginx.
forwarded_allow_ips = ""
forwarder_headers = ""
# A control socket in the home folder is one more door.
control_socket_disable = True


def on_starting(server: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Check the settings once, before any worker: a wrong one ends gunicorn with one line."""
    from backend.server import reload  # noqa: PLC0415 - not while the file is only read for --help

    reload.install(server)
    on_reload(server)


def on_reload(server: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Read the settings for all workers to come, also for one that takes the place of another later."""
    from backend.server import metrics_files  # noqa: PLC0415 - not while the file is only read for --help
    from config import load_settings  # noqa: PLC0415

    settings = load_settings().check_complete()
    if settings.is_production and settings.rate_limits == "off":
        server.log.warning("RATE_LIMITS is off: nobody is refused for too many requests.")
    elif settings.is_production and server.cfg.workers > 1 and not settings.redis_url.get_secret_value():
        server.log.warning("REDIS_URL is not set: each of %d workers has rate limits of its own.", server.cfg.workers)
    if settings.metrics_token.get_secret_value():
        metrics_files.make_folder(server)


def on_exit(server: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    from backend.server import metrics_files  # noqa: PLC0415 - as above

    metrics_files.remove_folder(server)


def ssl_context(_config: Any, make_context: Any) -> Any:  # noqa: ANN401 - gunicorn has no types
    """With --certfile: the handshake is part of reading the first head. gevent would wait for it without end."""
    context = make_context()
    context.wrap_socket = partial(context.wrap_socket, do_handshake_on_connect=False)
    return context


def when_ready(_server: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Before the first worker is forked: it shares these pages as long as its collector leaves them alone."""
    gc.freeze()


def post_worker_init(worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    from backend.server import gevent_worker  # noqa: PLC0415 - after gevent has patched the standard library

    gevent_worker.install()
    if services := _services(worker):
        services.request_counter.start()
        services.event_retries.start()
        services.outbox_publisher.start()
        if services.metrics:
            services.metrics.start(worker)
        if services.settings.otel_exporter_otlp_endpoint:
            from backend.server import tracing  # noqa: PLC0415 - not installed where it is not wanted

            tracing.start(services.settings.otel_exporter_otlp_endpoint)
    # What is loaded by now stays. To go through it took a full collection 50-80 ms amid requests, and the end of a
    # worker 0.4 s.
    gc.collect()
    gc.freeze()


def worker_exit(_server: Any, worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """After the last request of a worker that stops in order: write what it has counted."""
    if services := _services(worker):
        services.request_counter.stop()


def _services(worker: Any) -> Any:  # noqa: ANN401 - gunicorn has no types
    """None for a worker that never began, and for another application."""
    return getattr(getattr(worker, "wsgi", None), "extensions", {}).get("counterfoil")
