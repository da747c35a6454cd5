"""An application with an endpoint that gets its events: they wait in the table until a test sends them."""

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from backend.container import Services
from backend.services.clerk.webhooks import events
from backend.services.outbox import destinations
from backend.services.outbox.deliveries import deliver_next
from tests.emulator.harness import Receiver
from tests.support.clerk import Instance, event
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import in_process

SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
DUE = "UPDATE outbox SET next_at = now() WHERE status = 'pending'"


@pytest.fixture
def no_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(events, "_HANDLERS", type(events._HANDLERS)(list))
    monkeypatch.setattr(destinations, "_SIGN_UP_HANDLERS", {})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        receiver.secret = SECRET
        yield receiver


class Announcing:
    """An application that announces, in this process."""

    def __init__(self, settings: dict[str, str], clerk: Instance, sql: Sql) -> None:
        self._app = make_app(settings)
        self._clerk = clerk
        self.sql = sql
        self.server = in_process(self._app)
        self.services: Services = self._app.extensions["counterfoil"]

    def deliver(self, kind: str, data: object, *, event_id: str | None = None) -> Any:
        body = event(kind, data, instance_id=self._clerk.kid)
        headers = self._clerk.webhook_headers(body, event_id=event_id)
        answer = self.server.request("POST", "/api/webhooks", data=body, headers=headers)
        return answer.json().get("status", answer.status_code)

    def command(self, *arguments: str) -> str:
        result = self._app.test_cli_runner().invoke(args=arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What was written down since the last time."""
        rows = self.sql.rows("SELECT type, data FROM outbox ORDER BY outbox_id")
        self.sql.rows("DELETE FROM outbox")
        return [(row["type"], row["data"]) for row in rows]

    def send(self) -> int:
        """Send all that is due, as a worker does; return how many attempts were made."""
        attempts = 0
        for each in self.services.outbox_publisher.destinations:
            while deliver_next(self.services.database.transact, each) is not None:
                attempts += 1
        return attempts


@pytest.fixture
def announcing(
    settings: dict[str, str],
    clerk: Instance,
    sql: Sql,
    receiver: Receiver,
    no_workflows: None,  # noqa: ARG001
) -> Announcing:
    return Announcing(settings | {"OUTBOX_URL": receiver.url, "OUTBOX_SECRET": SECRET}, clerk, sql)
