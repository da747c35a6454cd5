"""Fixtures for `pytest_plugins = ["counterfoil_testing.fixtures"]`. The application is that of your fixture `app`."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
import requests
from flask import Flask

from counterfoil_testing.application import Application
from counterfoil_testing.caller import Caller
from counterfoil_testing.clerk import Instance
from counterfoil_testing.emulator import EmulatorProcess
from counterfoil_testing.receiver import Receiver
from counterfoil_testing.webhooks import post_event

SignIn = Callable[..., Caller]
PostWebhook = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def clerk() -> Instance:
    """Signs session tokens and webhooks; `clerk.settings` has an application trust them."""
    return Instance()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """Clerk's APIs: the local instance. Its webhooks go nowhere: a request's effect is there with its answer."""
    with (
        closing(Receiver()) as nobody,
        EmulatorProcess(tmp_path_factory.mktemp("emulator") / "state", nobody.url) as running,
    ):
        yield running


@pytest.fixture
def application(app: Flask) -> Application:
    """Called in this process. Your own fixture of this name calls a running one: `Application("http://…")`."""
    return Application.in_process(app)


@pytest.fixture
def sign_in(application: Application, clerk: Instance) -> SignIn:
    """Somebody who calls the application: `sign_in("user_1", **organization_claims("org_1", "org:admin"))`."""
    return partial(Caller, application, clerk)


@pytest.fixture
def post_webhook(application: Application, clerk: Instance) -> PostWebhook:
    """Clerk's delivery of an event: `post_webhook("user.created", user_data("user_1"))`."""
    return partial(post_event, application, clerk)
