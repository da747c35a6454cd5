"""Somebody who calls with session tokens, and what tests look at in the answers."""

from typing import Any

import requests

from counterfoil_testing import caller
from tests.support.server import Server


class Caller(caller.Caller):
    """Of a server of these tests."""

    server: Server


def is_problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


def is_same_refusal(one: requests.Response, other: requests.Response) -> bool:
    """But for the request's id."""
    texts = [answer.text.replace(answer.json()["request_id"], "-") for answer in (one, other)]
    return texts[0] == texts[1]
