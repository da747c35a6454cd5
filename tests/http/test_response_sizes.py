"""How large a response can be: each GET, for an admin who has as much of everything as can be, and more."""

import re
from typing import Any

import pytest
from flask import Flask

from backend.services.pages import PAGE_CHARACTERS
from tests.support.admins import ADMIN, add_admin
from tests.support.campaigns import Owner
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

ROWS = 120  # more than a page has
# No character takes more than four bytes, in UTF-8 or as JSON writes it. The row with which a page comes to so many
# characters is more, and so are members without text.
TEXTS = {"four bytes": "\U0001f600", "escaped": "\n"}
LARGEST = 4 * PAGE_CHARACTERS + 100_000
FILL = """
INSERT INTO users (email, first_name, last_name, username)
SELECT repeat('{0}', 320), repeat('{0}', 256), repeat('{0}', 256), repeat('{0}', 256) FROM generate_series(1, {rows});
UPDATE users SET bio = repeat('{0}', 2000), first_name = repeat('{0}', 256), social_links =
(SELECT jsonb_object_agg(name, 'https://' || repeat('x', 292)) FROM unnest(ARRAY['github', 'x', 'youtube']) name);
INSERT INTO campaigns (user_id, name, description, channel, tags)
SELECT 1, repeat('{0}', 100), repeat('{0}', 5000), 'email', array_fill(repeat('{0}', 50), ARRAY[20])
FROM generate_series(1, {rows});
INSERT INTO campaign_templates (user_id, name, description, channel, tags)
SELECT nullif(campaign_id % 2, 0), name, description, channel, tags FROM campaigns;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
SELECT 1, repeat('{0}', 100), 'sk_app', 'abcd', n, '{{profile:read}}' FROM generate_series(1, {rows}) n;
INSERT INTO webhook_events (event_id, source, type, subject_id, status)
SELECT repeat('x', 120) || n, 'svix', repeat('x', 100), '{admin}', 'dead' FROM generate_series(1, {rows}) n;
INSERT INTO audit_events (action, source, subject_user_id) SELECT 'x', 'cli', 1 FROM generate_series(1, {rows});
INSERT INTO usage_metrics (user_id, period_start, period_end)
SELECT 1, now() - n * interval '32 d', now() FROM generate_series(1, {rows}) n
"""
LISTS = {"/api/campaigns": "campaigns", "/campaigns": "campaigns", "/api/templates": "templates"} | {
    "/api/keys": "keys",
    "/api/users": "users",
}


def paths_of(app: Flask) -> set[str]:
    """Every path with a GET, of what is the caller's: an id is that of the first row."""
    rules = [str(rule) for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    return {re.sub("<id:.*?>", "1", rule) for rule in rules if re.match("/(api|auth|campaigns|protected)", rule)}


@pytest.mark.parametrize("text", TEXTS)
def test_each_is_bounded(app: Flask, server: Server, clerk: Instance, sql: Sql, text: str) -> None:
    add_admin(sql)
    sql.rows(FILL.format(TEXTS[text], rows=ROWS, admin=ADMIN))
    paths = paths_of(app)
    assert paths > LISTS.keys()
    for path in sorted(paths):
        owner = Owner(server, clerk, ADMIN, path)
        query: dict[str, Any] = {"limit": 100} if path in LISTS else {}
        answer = owner.call("GET", params=query)
        assert (answer.status_code, len(answer.content) < LARGEST) == (200, True), (path, len(answer.content))
        if member := LISTS.get(path):
            assert "next_cursor" in answer.json()
            field = f"{member.removesuffix('s')}_id"
            pages = list(owner.listed(member, field, **query))
            found = [one for page in pages for one in page]
            assert len(found) == len(set(found)) >= ROWS
            assert all(pages)
    others = {rule for rule in paths - LISTS.keys() if "next_cursor" in server.get(rule, clerk.token(sub=ADMIN)).json()}
    assert others == set(), "lists that are not walked here"


def test_short_texts_fill_a_page(server: Server, clerk: Instance, sql: Sql) -> None:
    add_admin(sql)
    short = FILL.replace("5000", "100").replace("ARRAY[20]", "ARRAY[5]").replace("256", "50")
    sql.rows(short.format("x", rows=ROWS, admin=ADMIN))
    for path, member in LISTS.items():
        assert len(Owner(server, clerk, ADMIN, path).page(limit=100)[member]) == 100
