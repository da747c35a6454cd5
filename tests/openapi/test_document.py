"""/openapi.json says what is there, all of it, in one style; /docs shows it without another host."""

import json
import re
from collections.abc import Iterator
from typing import Any

from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from backend.access.policy import policies_of
from backend.api.http.openapi_document import path_of
from backend.errors import ErrorCode
from development.describe_api import describe
from tests.support.server import Server

DOCUMENT: dict[str, Any] = json.loads(describe())
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
NAMES = [f"{method.upper()} {path}" for path, method, _ in OPERATIONS]
SCHEMAS = DOCUMENT["components"]["schemas"]

# Parts of the pages /docs and /, and of nothing else.
UNDESCRIBED = {"GET /docs/{name}", "GET /assets/{name}"}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


class TestDocument:
    def test_valid(self) -> None:
        OpenAPIV31SpecValidator(DOCUMENT).validate()

    def test_served(self, server: Server) -> None:
        answer = server.get("/openapi.json")
        assert answer.json() == DOCUMENT
        told = (answer.headers["Content-Type"], answer.headers["Cache-Control"])
        assert told == ("application/json", "no-cache")
        again = server.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_whole_or_not_at_all(self, server: Server) -> None:
        """A part of it, or a Range that is none, is not what anybody asks for."""
        for path in ("/openapi.json", "/docs", "/docs/start.js"):
            for asked in ("bytes=0-9", "bytes=x", "bytes=999999999-"):
                assert server.get(path, headers={"Range": asked}).status_code == 200
            head = server.request("HEAD", path)
            assert (head.status_code, head.content) == (200, b"")

    def test_every_route(self, app: Flask) -> None:
        there = {
            f"{method} {path_of(rule)}"
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
        assert there - UNDESCRIBED == set(NAMES)

    def test_ids_differ(self) -> None:
        ids = [operation["operationId"] for _, _, operation in OPERATIONS]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch("[a-z_]+", name) for name in ids)

    def test_codes(self) -> None:
        assert SCHEMAS["Problem"]["properties"]["code"]["enum"] == [code.value for code in ErrorCode]

    def test_no_schema_is_left_over(self) -> None:
        text = json.dumps(DOCUMENT)
        assert [name for name in SCHEMAS if f'"#/components/schemas/{name}"' not in text] == []


class TestOperations:
    def test_callers(self, app: Flask) -> None:
        """The security schemes are those that the policy of the route takes."""
        rules = {path_of(rule): rule.endpoint.partition(".")[0] for rule in app.url_map.iter_rules()}
        for path, method, operation in OPERATIONS:
            policy = policies_of(app)[rules[path]]
            scope = policy.read if method == "get" else policy.write
            takes_keys = scope is not None and not policy.session_only
            expected = ["bearer", "apiKey", "sessionCookie"] if takes_keys else ["bearer", "sessionCookie"]
            schemes = [name for scheme in operation["security"] for name in scheme]
            assert schemes == ([] if policy.is_public else expected), (method, path)
            assert policy.is_public or {"401", "403", "503"} <= set(operation["responses"]), (method, path)

    def test_errors_have_one_form(self) -> None:
        for path, method, operation in OPERATIONS:
            for status, response in operation["responses"].items():
                if status >= "400":
                    shared = DOCUMENT["components"]["responses"]["Unauthorized"]
                    whole = shared if status == "401" else response
                    assert whole["content"] == PROBLEM, (method, path, status)
                    assert whole["description"].startswith("`"), (method, path, status)

    def test_every_post_takes_an_idempotency_key(self) -> None:
        """But those that do the same when they come again: a ban, the end of a session, a webhook by its svix-id."""
        for path, method, operation in OPERATIONS:
            same_again = path.endswith(("/ban", "/unban", "/revoke")) or path == "/api/webhooks"
            takes = "Idempotency-Key" in {one["name"] for one in operation["parameters"]}
            assert not (takes and method == "get"), path
            assert method != "post" or takes != same_again, path


def members() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for schema, described in SCHEMAS.items():
        for name, member in described.get("properties", {}).items():
            yield schema, name, member


def kinds(member: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in member.get("anyOf", [member]) if one.get("type") != "null"]


class TestStyle:
    def test_names(self) -> None:
        assert [name for _, name, _ in members() if not re.fullmatch("[a-z]+(_[a-z]+)*", name)] == []

    def test_times(self) -> None:
        """What is named like a time is one, and only that."""
        for schema, name, member in members():
            is_named = name.endswith(("_at", "_start", "_end"))
            is_time = any(kind.get("format") == "date-time" for kind in kinds(member))
            assert is_named == is_time, (schema, name)

    def test_ids(self) -> None:
        """Ours are numbers; those of Clerk, of requests and sessions are texts."""
        theirs = {"clerk_user_id", "external_id", "session_id", "org_id", "request_id", "event_id"}
        for schema, name, member in members():
            if name.endswith("_id"):
                expected = "string" if name in theirs else "integer"
                assert {kind["type"] for kind in kinds(member)} == {expected}, (schema, name)

    def test_pages(self) -> None:
        """Each list takes limit and cursor, and gives one array and next_cursor."""
        pages = [schema for schema in SCHEMAS.values() if "next_cursor" in schema.get("properties", {})]
        assert len(pages) >= 2
        for page in pages:
            (items,) = set(page["properties"]) - {"next_cursor"}
            assert page["properties"][items]["type"] == "array"
        for path, method, operation in OPERATIONS:
            content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
            answer = SCHEMAS.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
            takes = {one["name"] for one in operation["parameters"]}
            is_page = "next_cursor" in answer.get("properties", {})
            assert is_page == ({"limit", "cursor"} <= takes), (method, path)

    def test_bodies_are_closed(self) -> None:
        bodies = {
            content["schema"]["$ref"].rpartition("/")[2]
            for _, _, operation in OPERATIONS
            for content in operation.get("requestBody", {}).get("content", {}).values()
        }
        assert len(bodies) >= 5
        for name in bodies - {"ClerkEventIn"}:
            assert SCHEMAS[name]["additionalProperties"] is False, name


class TestPage:
    def test_all_of_it_is_here(self, server: Server) -> None:
        page = server.get("/docs")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(addresses) == 5
        for address in addresses:
            if address != "data:,":
                assert address.startswith("/")
                assert server.get(address).status_code == 200

    def test_files_do_not_come_twice(self, server: Server) -> None:
        for name in ("start.js", "swagger_bundle.js", "swagger_style.css"):
            first = server.get(f"/docs/{name}")
            assert first.headers["Cache-Control"] == "no-cache"
            again = server.get(f"/docs/{name}", headers={"If-None-Match": first.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")

    def test_no_other_file(self, server: Server) -> None:
        for name in ("index.html", "redoc.js", "../openapi.py", "..%2fopenapi.py", ""):
            assert server.get(f"/docs/{name}").status_code == 404, name
