"""The description of the API (OpenAPI 3.1), from the routes with their policies and what each view says of itself."""

import re
import sys
from collections.abc import Iterator
from http import HTTPMethod, HTTPStatus
from typing import Any, NamedTuple

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from backend.access.policy import READING, USUAL, Policy, limits_of, policies_of
from backend.api.http.etags import IF_MATCH, IF_NONE_MATCH
from backend.api.http.idempotency import HEADER as IDEMPOTENCY_KEY
from backend.api.http.openapi_parts import (
    HEADERS,
    INFO,
    NOT_MODIFIED,
    PROBLEM,
    REPLAYED,
    REQUIRED_HEADER,
    SECURITY_SCHEMES,
    TOO_LONG,
    UNAUTHORIZED,
    Schemas,
    problem_responses,
)
from backend.api.http.operation import JSON, Operation
from backend.errors import ErrorCode
from backend.models.base import LARGEST
from backend.models.roles_plans_scopes import Plan, Role, Scope

COMPONENTS = "#/components/schemas/"
CONVERTED = re.compile(r"<(?:[^:<>]+:)?(\w+)>")
NOT_A_WORD = re.compile(r"\W+")
DESCRIBED = {method.value for method in HTTPMethod} - {"HEAD", "OPTIONS"}

OF_A_BODY = {
    ErrorCode.VALIDATION,
    ErrorCode.MALFORMED_BODY,
    ErrorCode.PAYLOAD_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}
OF_THE_DATABASE = {ErrorCode.DATABASE_UNAVAILABLE, ErrorCode.REQUEST_TIMEOUT}
OF_A_CALLER = OF_THE_DATABASE | {
    ErrorCode.SESSION_TOKEN_MISSING,
    ErrorCode.USER_BANNED,
    ErrorCode.USER_DEPROVISIONED,
    ErrorCode.FORBIDDEN,
    ErrorCode.RATE_LIMITED,
    ErrorCode.JWKS_UNAVAILABLE,
}
# By request header.
REFUSED_FOR = {
    IDEMPOTENCY_KEY: OF_A_BODY - {ErrorCode.UNSUPPORTED_MEDIA_TYPE} | {ErrorCode.CONFLICT},
    IF_MATCH: {ErrorCode.PRECONDITION_FAILED},
}


class Described(NamedTuple):
    """One method of one path. `policies`: the route's and, where it has one, the view's. `is_limited`: in how often."""

    path: str
    method: str
    ids: list[str]
    tag: str
    about: str
    operation: Operation
    policies: list[Policy]
    is_limited: bool

    @property
    def needs_caller(self) -> bool:
        return not all(policy.is_public for policy in self.policies)

    @property
    def needs_session(self) -> bool:
        """Whether only a Clerk session will do: nothing else has an organization."""
        return any(policy.session_only or policy.needs_organization for policy in self.policies)

    @property
    def scopes(self) -> list[Scope] | None:
        """What an API key needs; None where no key will do."""
        demanding = [policy for policy in self.policies if not policy.is_public]
        demanded = {policy.read if self.method in READING else policy.write for policy in demanding}
        if None in demanded or self.needs_session:
            return None
        return sorted(scope for scope in demanded if scope)


def api_document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of an application whose routes are registered. It depends on no setting."""
    found = sorted(_find_operations(app), key=lambda one: (one.path, one.method))
    schemas, components = _schemas(found)
    paths: dict[str, dict[str, Any]] = {}
    for one in found:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas, components)
    queries = {one.operation.query.__name__ for one in found if one.operation.query}
    modules = {blueprint.name: blueprint.import_name for blueprint in app.blueprints.values()}
    tags = sorted({one.tag for one in found})
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": _about(sys.modules[modules[tag]])} for tag in tags],
        "paths": paths,
        "components": {
            # A query is described in the parameters, member by member.
            "schemas": {name: components[name] for name in components if name not in queries} | {"Problem": PROBLEM},
            "responses": {"Unauthorized": UNAUTHORIZED},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def path_of(rule: Rule) -> str:
    """As OpenAPI writes it: `/api/keys/{key_id}`."""
    return CONVERTED.sub(r"{\1}", rule.rule)


def _about(thing: object) -> str:
    """The first paragraph of its docstring."""
    return " ".join(str(thing.__doc__).partition("\n\n")[0].split())


def _find_operations(app: Flask) -> Iterator[Described]:
    policies, limits = policies_of(app), limits_of(app)
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        route = rule.endpoint.partition(".")[0]
        if not hasattr(view, "operation") or route not in policies:
            continue  # a part of a page, or closed to everybody
        demands = [policies[route], *([view.policy] if hasattr(view, "policy") else [])]
        path, tag = path_of(rule), app.blueprints[route].name
        is_limited = limits.get(route, USUAL) is not None
        for method in DESCRIBED & (rule.methods or set()):
            yield Described(
                path, method, sorted(rule.arguments), tag, _about(view), view.operation, demands, is_limited
            )


def _schemas(found: list[Described]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """The schema of each model as clients send it or get it, and the components that these refer to."""
    models: set[tuple[type[BaseModel], JsonSchemaMode]] = set()
    for one in found:
        described = one.operation
        sent = (described.body, described.raw_body, described.query)
        models |= {(model, "validation") for model in sent if model is not None}
        if described.response is not None:
            models.add((described.response, "serialization"))
    ordered = sorted(models, key=lambda pair: (pair[0].__name__, pair[1]))
    schemas, definitions = models_json_schema(ordered, ref_template=f"{COMPONENTS}{{model}}", schema_generator=Schemas)
    return dict(schemas.items()), definitions["$defs"]


def _operation(one: Described, schemas: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    keys = [] if one.scopes is None else [{"apiKey": one.scopes}]
    described: dict[str, Any] = {
        "operationId": f"{one.method.lower()}{NOT_A_WORD.sub('_', one.path).rstrip('_')}",
        "summary": one.about,
        "tags": [one.tag],
        "security": [{"bearer": []}, *keys, {"sessionCookie": []}] if one.needs_caller else [],
        "parameters": [*_parameters(one, components)],
        "responses": _good_responses(one.operation, schemas) | problem_responses(_refusals(one)),
    }
    if demands := _demands(one):
        described["description"] = demands
    if (body := one.operation.body or one.operation.raw_body) is not None:
        # No body counts as an empty object.
        is_required = not components[body.__name__].keys().isdisjoint({"required", "minProperties", "anyOf"})
        content = {JSON: {"schema": schemas[body, "validation"]}}
        described["requestBody"] = {"required": is_required, "content": content}
    return described


def _demands(one: Described) -> str:
    said = [f"Takes the role {policy.role}." for policy in one.policies if policy.role is not Role.USER]
    said += [f"Takes the plan {policy.plan}." for policy in one.policies if policy.plan is not Plan.FREE]
    said += [f"Takes the organization role {policy.org_role}." for policy in one.policies if policy.org_role]
    said += [f"Takes the permission {policy.org_permission}." for policy in one.policies if policy.org_permission]
    if any(policy.stored for policy in one.policies):
        said.append("Takes a member of the organization, whatever the token says.")
    if one.needs_session:
        said.append("Only with a Clerk session.")
    elif one.needs_caller and one.scopes is None:
        said.append("Not for API keys.")
    if one.scopes:
        said.append(f"An API key needs the scope {', '.join(map(_with_wider_ones, one.scopes))}.")
    if not all(policy.impersonation for policy in one.policies):
        said.append("Not while impersonating somebody.")
    return " ".join(said)


def _with_wider_ones(scope: Scope) -> str:
    return " or ".join([scope, *(wider for wider in Scope if wider is not scope and wider.includes(scope))])


def _parameters(one: Described, components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in one.ids:
        schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": LARGEST}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    query = components[one.operation.query.__name__] if one.operation.query else {}
    for name, schema in query.get("properties", {}).items():
        yield {"name": name, "in": "query", "schema": {key: schema[key] for key in schema if key != "title"}}
    for name in sorted(one.operation.takes):
        yield {"name": name, "in": "header", **HEADERS[name]}


def _good_responses(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": operation.status.phrase, "content": {}, "headers": {}}
    if operation.response is not None:
        response["content"][JSON] = {"schema": schemas[operation.response, "serialization"]}
    if operation.media_type is not None:
        kind = "object" if operation.media_type == JSON else "string"
        response["content"][operation.media_type] = {"schema": {"type": kind}}
    if operation.status == HTTPStatus.CREATED:
        response["headers"]["Location"] = REQUIRED_HEADER
    if operation.is_tagged:
        response["headers"]["ETag"] = REQUIRED_HEADER
    if operation.is_idempotent:
        response["headers"]["Idempotent-Replayed"] = REPLAYED
    responses = {str(int(operation.status)): {name: part for name, part in response.items() if part}}
    if IF_NONE_MATCH in operation.takes:
        responses[str(int(HTTPStatus.NOT_MODIFIED))] = NOT_MODIFIED
    if operation.query is not None:
        responses[str(int(HTTPStatus.REQUEST_URI_TOO_LONG))] = TOO_LONG
    return responses


def _refusals(one: Described) -> set[ErrorCode]:
    refused = set(one.operation.refuses).union(*(REFUSED_FOR.get(name, ()) for name in one.operation.takes))
    consequences = (
        (ErrorCode.DATABASE_UNAVAILABLE in refused, OF_THE_DATABASE),
        (one.needs_caller, OF_A_CALLER),
        (one.is_limited, {ErrorCode.RATE_LIMITED}),
        (one.scopes, {ErrorCode.INSUFFICIENT_SCOPE}),
        (one.needs_caller and one.method not in READING, {ErrorCode.CSRF}),
        (one.operation.body, OF_A_BODY),
        (one.operation.query, {ErrorCode.VALIDATION}),
        (one.ids, {ErrorCode.NOT_FOUND}),
    )
    return refused.union(*(codes for applies, codes in consequences if applies))
