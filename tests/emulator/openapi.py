"""What Clerk's own OpenAPI files say of an answer or a webhook."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator
from openapi_spec_validator.readers import read_from_filename

Json = dict[str, Any]


class Api:
    """Clerk's Backend API, as its file describes it."""

    def __init__(self, folder: Path) -> None:
        self._document = _read(folder / "backend-api-2026-05-12.yml")
        # Each name in braces is one part of a path, and paths without one go first: /users/count is no user.
        self._paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path)
            for path in sorted(self._document["paths"], key=lambda path: path.count("{"))
        ]

    def operation(self, method: str, path: str) -> str | None:
        """Its name as `GET /users/{user_id}`; None if Clerk has none."""
        found = next((template for pattern, template in self._paths if pattern.fullmatch(path)), "")
        known = method.lower() in self._document["paths"].get(found, {})
        return f"{method} {found}" if known else None

    def complaints(self, operation: str, status: int, body: Any) -> list[str]:
        """What is wrong with an answer."""
        method, path = operation.split(" ")
        responses = self._document["paths"][path][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"{status} is not among {sorted(responses)}"]
        response = responses[str(status)]
        if "$ref" in response:
            response = self._document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        return list(_complaints(self._document, schema, body))


class Webhooks:
    """Clerk's webhooks, as their file describes them."""

    def __init__(self, folder: Path) -> None:
        self._document = _read(folder / "webhooks-2025-04-15.yml")
        self.types = frozenset(self._document["x-webhooks"])

    def complaints(self, event: Json) -> list[str]:
        post = self._document["x-webhooks"][event["type"]]["post"]
        schema = post["requestBody"]["content"]["application/json"]["schema"]
        return list(_complaints(self._document, schema, event))


def _read(path: Path) -> Json:
    document, _ = read_from_filename(str(path))
    # YAML reads dates, which JSON does not have; they are in examples only.
    translated: Json = _translate(json.loads(json.dumps(document, default=str)))
    return translated


def _translate(schema: Any) -> Any:
    """OpenAPI 3.0 in JSON Schema: there `nullable` is no keyword."""
    if isinstance(schema, list):
        return [_translate(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    translated = {name: _translate(value) for name, value in schema.items() if name not in {"nullable", "example"}}
    return {"anyOf": [{"type": "null"}, translated]} if schema.get("nullable") is True else translated


def _complaints(document: Json, schema: Json, value: Any) -> Iterator[str]:
    validator = Draft202012Validator({"allOf": [schema], "components": document["components"]})
    for error in validator.iter_errors(value):
        place = "/".join("*" if isinstance(part, int) else part for part in error.instance_path)
        yield f"{place}: {error.message[:200]}"
