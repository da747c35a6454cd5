"""Both forms: nothing that is logged can look like another line, and nothing secret is in any."""

import json
import logging
import time
from collections.abc import Callable

import psycopg2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from backend.server.logs import Form
from backend.server.redaction import HIDDEN
from config import Settings
from tests.support.clerk import Instance
from tests.support.database import Sql

SECRETS = {"database_url": "postgresql://ada:correct-horse@db.example.com/x", "api_key_prefix": "acme"}
FORMATTERS = {
    form: Form(Settings.model_validate(SECRETS | {"log_format": form})).formatter() for form in ("text", "json")
}

Write = Callable[..., str]


@pytest.fixture(params=FORMATTERS)
def write(request: pytest.FixtureRequest) -> Write:
    """A line, as it is written."""
    formatter = FORMATTERS[request.param]

    def format_(message: str, *arguments: object, error: BaseException | None = None, **fields: object) -> str:
        info = (type(error), error, error.__traceback__) if error else None
        record = logging.LogRecord("tests", logging.INFO, __file__, 1, message, arguments, info)
        record.fields = fields
        return formatter.format(record)

    return format_


@given(text=st.text(), form=st.sampled_from(list(FORMATTERS)))
@example(text="\n2026-12-01T00:00:00.000000Z INFO access request", form="text")
@example(text="\x1b[31mred\u2028\u202e\x85", form="text")
def test_one_line(text: str, form: str) -> None:
    """Whatever it holds: one line, that a terminal shows as it is."""
    record = logging.LogRecord("tests", logging.INFO, __file__, 1, "said %s", (text,), None)
    record.fields = {"value": text}
    line = FORMATTERS[form].format(record)
    assert len(line.splitlines()) == 1
    assert line.isprintable() or form == "json"
    assert not {chr(number) for number in (*range(32), *range(128, 160))} & set(line)


def test_traceback_is_indented() -> None:
    error = ValueError("first\n2026-12-01T00:00:00.000000Z INFO access request")
    info = (type(error), error, None)
    record = logging.LogRecord("tests", logging.ERROR, __file__, 1, "failed", (), info)
    first, *rest = FORMATTERS["text"].format(record).splitlines()
    assert " ERROR tests failed" in first
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in rest)


class TestRedaction:
    TOKEN = Instance().token()
    HIDDEN = (
        TOKEN,
        TOKEN.rpartition(".")[0],
        TOKEN.partition(".")[0],
        "acme_" + "a1B2" * 10,
        "sk_test_" + "a1B2" * 10,
        "sk_live_" + "a1B2" * 10,
        "whsec_" + "a1B2" * 10 + "+/==",
        "signkey-prod-" + "a1b2" * 10,
        "ak_" + "a1b2" * 8,
        "ada.secret+x@example.com",
        "ädä@exämple.com",
        "correct-horse",
    )

    @pytest.mark.parametrize("secret", HIDDEN, ids=range(len(HIDDEN)))  # the values are new each time
    def test_wherever_it_stands(self, write: Write, secret: str) -> None:
        error = RuntimeError(f"about {secret}")
        line = write("<%s> (%s)", secret, [secret], error=error, field=secret, other=f"x={secret}&y=1")
        assert secret not in line
        assert json.dumps(secret)[1:-1] not in line
        assert line.count(HIDDEN) >= 5
        if line.startswith("{"):
            json.loads(line)

    @pytest.mark.parametrize(
        "text",
        [
            "Authorization: Basic YWRhOnNlY3JldA",
            "{'Authorization': 'Bearer YWRhOnNlY3JldA'}",
            'Cookie: "YWRhOnNlY3JldA"',
            "X-API-Key=YWRhOnNlY3JldA",
            "could not connect to postgresql://ada:YWRhOnNlY3JldA@db/x",
            "redis://:YWRhOnNlY3JldA@cache:6379",
        ],
    )
    def test_by_its_place(self, write: Write, text: str) -> None:
        line = write("said %s", text, field=text)
        assert "YWRhOnNlY3JldA" not in line
        if line.startswith("{"):
            json.loads(line)

    def test_nothing_else(self, write: Write) -> None:
        line = write(
            "said", user="user_2abcdefghijklmnop", task="task_1", url="https://example.com/a?b=c", version="1@2"
        )
        assert HIDDEN not in line

    @pytest.mark.parametrize("part", ["a", "eyJ", "a@", ".a@", "a.", "x-api-key", "://", "://:"])
    def test_long_texts_cost_little(self, write: Write, part: str) -> None:
        """To go through the rest of it from each place would take minutes."""
        began_at = time.process_time()
        write("said %s@", part * (200_000 // len(part)))
        assert time.process_time() - began_at < 5

    @given(text=st.text(alphabet="ey JabAKsk_test-@.:=/\\\"'\näauthorizationcookie", max_size=200))
    def test_json_stays_json(self, text: str) -> None:
        record = logging.LogRecord("tests", logging.INFO, __file__, 1, "said %s", (text,), None)
        json.loads(FORMATTERS["json"].format(record))


class TestErrorsThatTellValues:
    def test_of_the_database(self, write: Write, database_url: str) -> None:
        sql, value = Sql(database_url), "Love" + "lace"
        try:
            sql.rows("SELECT %s::int", value)
        except psycopg2.Error as error:
            line = write("failed", error=error)
        finally:
            sql.close()
        assert value not in line
        assert "InvalidTextRepresentation 22P02" in line

    def test_of_pydantic_beneath_another(self, write: Write) -> None:
        value = "Love" + "lace"
        try:
            try:
                TypeAdapter(int).validate_python(value)
            except ValueError as cause:
                raise RuntimeError("failed") from cause
        except RuntimeError as error:
            line = write("failed", error=error)
        assert "ValidationError" in line
        assert value not in line
