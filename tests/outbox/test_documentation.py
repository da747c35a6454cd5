"""What the pages say of events is so: their code runs, their table is complete."""

import re
from pathlib import Path

import pytest

import backend.workflows
from backend.services.outbox.announcements import AppEvent
from config import PROJECT
from tests.documentation.pages import blocks
from tests.emulator.harness import Receiver
from tests.outbox.conftest import SECRET, Announcing
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql


def block(mark: str) -> str:
    (found,) = (each.text for each in blocks("python", "docs/make-it-yours.md") if mark in each.text)
    return found


def test_workflow(
    settings: dict[str, str],
    clerk: Instance,
    sql: Sql,
    tmp_path: Path,
    no_workflows: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "welcome.py").write_text(block("on_sign_up"))
    monkeypatch.setattr(backend.workflows, "__path__", [str(tmp_path)])
    announcing = Announcing(settings, clerk, sql)
    announcing.deliver("user.created", user_data("user_1"))
    before = sql.value("SELECT tokens_limit FROM usage_metrics")
    assert announcing.send() == 1
    assert sql.value("SELECT tokens_limit FROM usage_metrics") == before + 5000
    assert announcing.deliver("organizationInvitation.accepted", {"id": "orginv_1"}) == "applied"
    assert "orginv_1 was accepted." in caplog.text


def test_receiver(announcing: Announcing, receiver: Receiver) -> None:
    announcing.deliver("user.created", user_data("user_1"))
    announcing.send()
    (delivery,) = receiver.deliveries
    names: dict[str, object] = {}
    exec(block("Webhook(SECRET)").replace("whsec_…", SECRET), names)
    receive = names["receive"]
    assert callable(receive)
    assert receive(delivery.body, delivery.headers) == ("signed_up_user_1", AppEvent.USER_SIGNED_UP, 1)


def test_table_has_each_event() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text()
    assert re.findall(r"^\| `(app/[\w.]+)` \|", text, re.MULTILINE) == list(AppEvent)
