"""docs/campaigns.md says what is so, and its examples run."""

import json
import re
import shutil
import subprocess
from typing import get_args

import pytest

from backend.schemas.campaign import CampaignOut, CampaignQuery
from backend.schemas.preset import Channel
from backend.schemas.template import TemplateQuery
from backend.services.campaigns.campaigns import NEXT, Status
from backend.services.campaigns.list import Sort
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import PROJECT, Server

PAGE = (PROJECT / "docs" / "campaigns.md").read_text()
# What the page promises of its examples.
PRELUDE = """
const [url, token] = process.argv.slice(-2);
const answers = [];
const api = async (path, options = {}) => {
  const headers = { ...options.headers, Authorization: `Bearer ${token}` };
  const answer = await fetch(url + path, { ...options, headers });
  answers.push([options.method ?? "GET", answer.status]);
  return answer;
};
"""
POSTLUDE = """
console.log(JSON.stringify({
  answers, tags: campaign.tags, is_same: again.campaign_id === first.campaign_id, channel: copy.channel,
  budget: formatBudget(campaign.budget, "en"), refused: [code, limit, used], restored: draft.status,
}));
"""


def test_legal_status_changes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+|nothing .*) \|$", PAGE, re.MULTILINE)
    named = {status: set(re.findall(r"`(\w+)`", after)) for status, after in rows if status in set(Status)}
    assert named == {status: set(after) for status, after in NEXT.items()}


def test_every_name_is_there() -> None:
    names = {
        *CampaignOut.model_fields,
        *CampaignQuery.model_fields,
        *get_args(Channel),
        *Sort,
        *(f"scope={kind}" for kind in ("own", "shared")),
    }
    assert "scope" in TemplateQuery.model_fields
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


@pytest.mark.skipif(shutil.which("node") is None, reason="the examples are JavaScript: install Node.js 20")
def test_examples_run(server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG001 - a new user
    examples = "\n".join(re.findall(r"^```js\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    result = subprocess.run(
        ["node", "--input-type=module", "-", server.url, clerk.token(sub="user_1")],
        input=PRELUDE + examples + POSTLUDE,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    *printed, told = result.stdout.splitlines()
    assert printed == ["Spring sale"]
    assert json.loads(told) == {
        "answers": [
            *(["POST", 201], ["PATCH", 200], ["GET", 200]),
            *(["GET", 200], ["PATCH", 200], ["PATCH", 412]),
            *(["POST", 201], ["POST", 201]),
            *(["POST", 201], ["POST", 201], ["POST", 402]),
            *(["DELETE", 204], ["POST", 200], ["POST", 200], ["POST", 200]),
        ],
        "tags": ["spring", "shoes"],
        "is_same": True,
        "channel": "push",
        "budget": "€2,500.00",
        "refused": ["quota-exceeded", 3, 3],
        "restored": "draft",
    }
