"""What a view takes and returns: read and written by it here, and described from it in /openapi.json."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from inspect import unwrap
from typing import Any, get_type_hints

from flask import Response
from pydantic import BaseModel

from backend.api.http.parsing import read_body, read_query
from backend.container import in_transaction
from backend.errors import ErrorCode
from backend.schemas.base import Input, Query
from backend.services.idempotency import ApiResponse

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`response`: its model, with that `status`; None for no body. `takes`: request headers that mean something.
    `refuses`: with which codes, besides those that follow from all the rest. `media_type`: of a response that is no model;
    with `response`, of the other form that it may have. `raw_body`: one that the view reads itself, byte for byte.
    `is_tagged`: the response has an ETag.
    """

    body: type[Input] | None = None
    raw_body: type[BaseModel] | None = None
    query: type[Query] | None = None
    response: type[BaseModel] | None = None
    status: HTTPStatus = HTTPStatus.OK
    media_type: str | None = None
    is_tagged: bool = False
    takes: frozenset[str] = frozenset()
    refuses: frozenset[ErrorCode] = frozenset()


def operation(
    response: type[BaseModel] | None = None,
    status: HTTPStatus | None = None,
    *,
    takes: Collection[str] = (),
    refuses: Collection[ErrorCode] = (),
    media_type: str | None = None,
    raw_body: type[BaseModel] | None = None,
    is_tagged: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Give a view what it asks for by the names of its parameters.

    `body` and `query` are read as the models that it annotates them with. `connection`: it runs in a transaction, which is
    committed when it returns; it may run again, so it changes nothing but through that connection.
    The view returns a model, an ApiResponse where there are headers or another status, None for no body, or a whole Response.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Response]:
        inputs = get_type_hints(unwrap(view))
        described = Operation(
            body=inputs.get("body"),
            raw_body=raw_body,
            query=inputs.get("query"),
            response=response,
            status=status or (HTTPStatus.OK if response or media_type else HTTPStatus.NO_CONTENT),
            media_type=media_type,
            is_tagged=is_tagged,
            takes=frozenset(takes) | getattr(view, "takes", frozenset()),
            refuses=frozenset(refuses),
        )
        body, query = described.body, described.query
        # A view that writes gets its connection from `idempotent`, which is nearer to it.
        is_transaction = "connection" in inputs and not hasattr(view, "takes")

        @wraps(view)
        def call(**values: object) -> Response:
            if query is not None:
                values["query"] = read_query(query)
            if body is not None:
                values["body"] = read_body(body)
            if is_transaction:
                return respond(in_transaction(lambda connection: view(connection=connection, **values)))
            return respond(view(**values))

        call.operation = described  # type: ignore[attr-defined]
        return call

    return decorate


def respond(result: BaseModel | ApiResponse | Response | None) -> Response:
    """The response to what a view returned."""
    if isinstance(result, BaseModel):
        return Response(result.model_dump_json(), content_type=JSON)
    if isinstance(result, Response):
        return result
    written = result or ApiResponse(HTTPStatus.NO_CONTENT, "")
    response = Response(written.body, written.status, content_type=JSON)
    if not written.body:
        del response.headers["Content-Type"]
    for name, value in (("Location", written.location), ("ETag", written.etag)):
        if value is not None:
            response.headers[name] = value
    return response
