"""How large a response can be: each GET, for an admin who has as much of everything as can be, and more."""

import re

import pytest
from flask import Flask

from tests.support.admins import ADMIN, add_admin
from tests.support.caller import Caller
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.response_sizes import ROWS, TEXTS, check_list, check_one
from tests.support.server import Server

FILL = """
INSERT INTO users (email, first_name, last_name, username)
SELECT repeat('{0}', 320), repeat('{0}', 256), repeat('{0}', 256), repeat('{0}', 256) FROM generate_series(1, {rows});
UPDATE users SET bio = repeat('{0}', 2000), first_name = repeat('{0}', 256), social_links =
(SELECT jsonb_object_agg(name, 'https://' || repeat('x', 292)) FROM unnest(ARRAY['github', 'x', 'youtube']) name);
INSERT INTO specimens (user_id, name, description)
SELECT 1, repeat('{0}', 100), repeat('{0}', 5000) FROM generate_series(1, {rows});
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
SELECT 1, repeat('{0}', 100), 'sk_app', 'abcd', n, '{{profile:read}}' FROM generate_series(1, {rows}) n;
INSERT INTO webhook_events (event_id, source, type, subject_id, status)
SELECT repeat('x', 120) || n, 'svix', repeat('x', 100), '{admin}', 'dead' FROM generate_series(1, {rows}) n;
INSERT INTO audit_events (action, source, subject_user_id) SELECT 'x', 'cli', 1 FROM generate_series(1, {rows});
INSERT INTO usage_metrics (user_id, period_start, period_end)
SELECT 1, now() - n * interval '32 d', now() FROM generate_series(1, {rows}) n
"""
LISTS = {"/api/specimens": "specimens", "/api/keys": "keys", "/api/users": "users"}


def paths_of(app: Flask) -> set[str]:
    """Every path with a GET and without an id; and of what is filled here, the first row."""
    rules = {str(rule) for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    return {rule for rule in rules if re.match("/(api|auth|protected)", rule) and "<" not in rule} | {
        f"{path}/1" for path in LISTS
    }


@pytest.mark.parametrize("text", TEXTS)
def test_each_is_bounded(app: Flask, specimen_server: Server, clerk: Instance, sql: Sql, text: str) -> None:
    """What has a `next_cursor` after all of this is walked. What is not filled here is empty."""
    add_admin(sql)
    sql.rows(FILL.format(TEXTS[text], rows=ROWS, admin=ADMIN))
    paths = paths_of(app)
    assert len(paths) > 2 * len(LISTS)
    for path in paths - LISTS.keys():
        assert not check_one(Caller(specimen_server, clerk, ADMIN, path)).get("next_cursor"), "a list: add it to LISTS"
    for path, member in LISTS.items():
        check_list(Caller(specimen_server, clerk, ADMIN, path), member)


def test_short_texts_fill_a_page(specimen_server: Server, clerk: Instance, sql: Sql) -> None:
    add_admin(sql)
    short = FILL.replace("5000", "100").replace("256", "50")
    sql.rows(short.format("x", rows=ROWS, admin=ADMIN))
    for path, member in LISTS.items():
        assert len(Caller(specimen_server, clerk, ADMIN, path).page(limit=100)[member]) == 100
