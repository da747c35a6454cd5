"""deploy/: each name that dashboard and alerts ask for is one of ours, and each alert says what to do."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from flask import Flask

from config import PROJECT
from tests.documentation.pages import blocks
from tests.metrics.scrape import TOKEN
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import in_process

RULES = PROJECT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = PROJECT / "deploy" / "grafana" / "dashboard.json"
ROW = re.compile(r"^\| `(\w+)` \| .{20,} \|$", re.MULTILINE)
# Of a histogram and a counter Prometheus has more names than one.
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def scrape_settings() -> dict[str, Any]:
    """As the page shows them."""
    (block,) = blocks("yaml", "docs/operations.md")
    found: dict[str, Any] = yaml.safe_load(block.text)
    return found


def asked_for() -> set[str]:
    texts = [rule["expr"] for rule in rules()]
    texts += [target["expr"] for panel in panels() for target in panel["targets"]]
    return {name for text in texts for name in re.findall(r"counterfoil_\w+", text)}


@pytest.fixture
def exposed(settings: dict[str, str], sql: Sql) -> dict[str, str]:  # noqa: ARG001 - the tables are to be empty
    """The names that /metrics has, with what they are."""
    app: Flask = make_app({**settings, "METRICS_TOKEN": TOKEN})
    text = in_process(app).get("/metrics", TOKEN).text
    return dict(re.findall(r"^# TYPE (counterfoil_\w+) (\w+)$", text, re.MULTILINE))


def test_every_name_is_exposed(exposed: dict[str, str]) -> None:
    known = {name + suffix for name, kind in exposed.items() for suffix in SUFFIXES.get(kind, ())}
    assert asked_for() <= known
    assert len(asked_for()) > 20


def test_every_metric_is_shown(exposed: dict[str, str]) -> None:
    shown = " ".join(asked_for())
    missing = [name for name in exposed if name not in shown and not name.endswith("_created")]
    assert missing == []


def test_every_alert_says_what_to_do() -> None:
    section = (PROJECT / "docs" / "operations.md").read_text().partition("\n### Alerts\n")[2].partition("\n## ")[0]
    assert ROW.findall(section) == [rule["alert"] for rule in rules()]


def test_the_page_scrapes_what_the_alerts_look_for() -> None:
    (job,) = scrape_settings()["scrape_configs"]
    assert f'up{{job="{job["job_name"]}"}}' in {rule["expr"].partition(" ==")[0] for rule in rules()}
    (file,) = scrape_settings()["rule_files"]
    assert file.endswith(RULES.relative_to(PROJECT).as_posix())


def test_every_alert_has_a_summary_and_a_severity() -> None:
    for rule in rules():
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here: it comes with Debian's prometheus")
def test_promtool_takes_every_expression(tmp_path: Path) -> None:
    """The rules as they are; the dashboard's expressions as rules."""
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    as_rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions)
    ]
    own = tmp_path / "panels.yml"
    own.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": as_rules}]}))
    main = tmp_path / "prometheus.yml"
    main.write_text(yaml.safe_dump(scrape_settings()))
    for checked in (["rules", str(RULES), str(own)], ["config", "--syntax-only", str(main)]):
        done = subprocess.run(["promtool", "check", *checked], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
