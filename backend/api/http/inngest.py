"""Inngest's SDK, set up so that it trusts nobody and tells nothing. Import it only where Inngest is used."""

import logging
from collections.abc import Callable
from traceback import format_tb
from typing import cast

import inngest
from flask import Flask, Response
from inngest.flask import serve
from sqlalchemy.exc import DBAPIError

from backend.database.transactions import describe_fault
from backend.workflows.inngest import find_workflows
from config import Settings

PATH = "/api/inngest"

log = logging.getLogger(__name__)


class Trouble(Exception):
    """An error as Inngest may know it: the name of its type."""


class Discreet(inngest.MiddlewareSync):
    """Inngest would store the text and the traceback of an error, in which there may be rows of users."""

    def transform_output(self, result: inngest.TransformOutputResult) -> None:
        error = result.error
        if error is None:
            return
        if isinstance(error, inngest.NonRetriableError | inngest.RetryAfterError | inngest.StepError):
            log.warning("A workflow ended: %s", error)
            error.include_stack = False
            return
        # Not the text: a mail server repeats the address, and PostgreSQL the row.
        fault = describe_fault(error) if isinstance(error, DBAPIError) else type(error).__name__
        log.error("A workflow failed: %s.\n%s", fault, "".join(format_tb(error.__traceback__)))
        result.error = Trouble(type(error).__name__)


def make_client(settings: Settings) -> inngest.Inngest:
    # It logs each URL that it calls; that of an event has the key in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return inngest.Inngest(
        app_id="counterfoil",
        event_key=settings.inngest_event_key.get_secret_value() or None,
        signing_key=settings.inngest_signing_key.get_secret_value() or None,
        is_production=not settings.inngest_dev,
        api_base_url=settings.inngest_dev or None,
        event_api_base_url=settings.inngest_dev or None,
        logger=log,
        middleware=[Discreet],
    )


def make_handler(settings: Settings) -> Callable[[], Response]:
    """The view of the SDK, with all workflows.

    An unsigned request could otherwise register any host, with our key, as where the functions are: hence the last two
    arguments.
    """
    client = make_client(settings)
    functions = [client.create_function(**options)(run) for run, options in find_workflows()]
    # The SDK adds its view to an application of its own; in ours a route is in the table, with its policy.
    carrier = Flask(__name__)
    serve(
        carrier,
        client,
        functions,
        serve_path=PATH,
        serve_origin=settings.inngest_serve_origin or None,
        enable_unauthed_sync=False,
    )
    return cast("Callable[[], Response]", carrier.view_functions["inngest_api"])
