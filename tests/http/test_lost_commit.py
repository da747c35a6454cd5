"""The connection to PostgreSQL breaks during COMMIT: what was committed is done once, and our answer is a 503."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.database.transactions import UnknownOutcomeError
from tests.support.admins import add_user
from tests.support.clerk import Instance, event, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.database_proxy import DatabaseProxy
from tests.support.specimen.base import migrate
from tests.support.specimen.owner import GOOD
from tests.support.specimen.routes import add_routes
from tests.support.waiting import wait_for

USER = "user_1"


@pytest.fixture
def proxy(database_url: str) -> Iterator[DatabaseProxy]:
    proxy = DatabaseProxy(database_url)
    yield proxy
    proxy.close()


@pytest.fixture
def client(settings: dict[str, str], proxy: DatabaseProxy, sql: Sql) -> FlaskClient:
    add_user(sql, clerk_user_id=USER)
    migrate(settings["DATABASE_URL"])
    app = make_app(settings | {"DATABASE_URL": proxy.url})
    add_routes(app)
    return app.test_client()


def create(client: FlaskClient, clerk: Instance, **headers: str) -> TestResponse:
    credential = {"Authorization": f"Bearer {clerk.token(sub=USER)}"}
    return client.post("/api/specimens", json=GOOD, headers=credential | headers)


def assert_unknown(response: TestResponse) -> None:
    assert (response.status_code, response.get_json()["code"]) == (503, "database-unavailable")
    assert "Retry-After" in response.headers


def test_without_a_key(client: FlaskClient, clerk: Instance, sql: Sql, proxy: DatabaseProxy) -> None:
    """Not tried again: that would make a second one."""
    proxy.loses_commits = True
    assert_unknown(create(client, clerk))
    proxy.loses_commits = False
    wait_for(lambda: sql.value("SELECT count(*) FROM specimens") == 1)
    assert create(client, clerk).status_code == 201
    assert sql.value("SELECT count(*) FROM specimens") == 2


def test_with_a_key(client: FlaskClient, clerk: Instance, sql: Sql, proxy: DatabaseProxy) -> None:
    """Sent again it finds what was done."""
    key = {"Idempotency-Key": "k"}
    proxy.loses_commits = True
    assert_unknown(create(client, clerk, **key))
    proxy.loses_commits = False
    wait_for(lambda: sql.value("SELECT count(*) FROM idempotency_keys") == 1)
    again = create(client, clerk, **key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert sql.value("SELECT count(*) FROM specimens") == 1


def test_webhook(client: FlaskClient, clerk: Instance, sql: Sql, proxy: DatabaseProxy) -> None:
    body = event("user.created", user_data("user_2"))

    def deliver() -> TestResponse:
        return client.post("/api/webhooks", data=body, headers=clerk.webhook_headers(body, event_id="msg_1"))

    proxy.loses_commits = True
    assert_unknown(deliver())
    proxy.loses_commits = False
    wait_for(lambda: sql.value("SELECT count(*) FROM webhook_events") == 1)
    again = deliver()
    assert (again.status_code, again.get_json()) == (200, {"status": "duplicate"})
    assert sql.rows("SELECT status, attempts FROM webhook_events") == [{"status": "applied", "attempts": 1}]


def test_counted_requests(client: FlaskClient, clerk: Instance, sql: Sql, proxy: DatabaseProxy) -> None:
    """Better one too few than one that counts twice."""
    counter = client.application.extensions["counterfoil"].request_counter
    assert create(client, clerk).status_code == 201
    proxy.loses_commits = True
    with pytest.raises(UnknownOutcomeError):
        counter.flush()
    proxy.loses_commits = False
    assert not counter.flush()
    wait_for(lambda: sql.value("SELECT api_requests FROM usage_metrics") == 1)
