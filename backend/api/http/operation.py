"""What a view takes and returns: read and written by it here, and described from it in /openapi.json."""

from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass, replace
from functools import wraps
from http import HTTPStatus
from inspect import unwrap
from typing import Any, NamedTuple, get_type_hints

from flask import Response, request
from pydantic import BaseModel
from sqlalchemy import Connection

from backend.access.policy import READING
from backend.api.http.etags import IF_NONE_MATCH, has_version, tag
from backend.api.http.idempotency import HEADER, run_once
from backend.api.http.parsing import read_body, read_query
from backend.container import in_transaction, reading
from backend.errors import ErrorCode
from backend.schemas.base import Input, Query
from backend.services.idempotency import ApiResponse

JSON = "application/json"


class Created(NamedTuple):
    """What a view has made, and where it can be read."""

    row: object
    location: str


@dataclass(frozen=True)
class Operation:
    """A decorator that gives a view what it asks for by the names of its parameters, and writes what it returns.

    `body` and `query` are read as the models that it annotates them with. `connection`: to read by where the method is
    GET; else the view runs in a transaction, which is committed when it returns. It may run again, so it changes
    nothing but through that connection. The view returns what the model `response` is read from, by attribute or key
    (in a Created: with status 201); None for no body; or a whole Response.

    `takes`: request headers that mean something; with If-None-Match, 304 for a caller who has this version. `refuses`:
    with which codes, besides those that follow from all the rest. `media_type`: of a response that is no model; with
    `response`, of the other form that it may have. `raw_body`: one that the view reads itself, byte for byte.
    `is_tagged`: the response has an ETag, the `version` of what is returned. `is_idempotent`: the view runs as
    `run_once` says. `shows_secret`: the response does, and is kept encrypted.
    """

    response: type[BaseModel] | None = None
    _: KW_ONLY
    takes: Collection[str] = ()
    refuses: Collection[ErrorCode] = ()
    media_type: str | None = None
    raw_body: type[BaseModel] | None = None
    is_tagged: bool = False
    is_idempotent: bool = False
    shows_secret: bool = False
    # Read from the view's annotations.
    body: type[Input] | None = None
    query: type[Query] | None = None
    status: HTTPStatus = HTTPStatus.OK

    def __call__(self, view: Callable[..., Any]) -> Callable[..., Response]:
        hints = get_type_hints(unwrap(view))
        status = HTTPStatus.OK if self.response or self.media_type else HTTPStatus.NO_CONTENT
        described = replace(
            self,
            takes=[*self.takes, HEADER] if self.is_idempotent else self.takes,
            body=hints.get("body"),
            query=hints.get("query"),
            status=HTTPStatus.CREATED if hints.get("return") is Created else status,
        )

        @wraps(view)
        def call(**values: object) -> Response:
            if described.query:
                values["query"] = read_query(described.query)
            if described.body:
                values["body"] = read_body(described.body)

            def run(connection: Connection) -> ApiResponse:
                return described.write(view(connection=connection, **values))

            if described.is_idempotent:
                return respond(*run_once(run, is_secret=described.shows_secret))
            if "connection" in hints:
                return respond((reading if request.method in READING else in_transaction)(run))
            returned = view(**values)
            return returned if isinstance(returned, Response) else respond(described.write(returned))

        call.operation = described  # type: ignore[attr-defined]
        return call

    def write(self, returned: Any) -> ApiResponse:  # noqa: ANN401 - whatever the model is read from
        """The response to what the view returned."""
        if isinstance(returned, Created):
            return self.write(returned.row)._replace(location=returned.location)
        etag = tag(returned.version) if self.is_tagged else None
        if IF_NONE_MATCH in self.takes and has_version(returned.version):
            return ApiResponse(HTTPStatus.NOT_MODIFIED, "", etag=etag)
        body = self.response.model_validate(returned).model_dump_json() if self.response else ""
        return ApiResponse(self.status, body, etag=etag)


operation = Operation  # its name as a decorator


def respond(written: ApiResponse, is_replayed: bool = False) -> Response:
    response = Response(written.body, written.status, content_type=JSON)
    if not written.body:
        del response.headers["Content-Type"]
    if written.location is not None:
        response.headers["Location"] = written.location
    if written.etag is not None:
        response.headers["ETag"] = written.etag
    if is_replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
