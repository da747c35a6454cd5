"""Conditional requests (RFC 9110 section 13). A tag is the version of what it tags."""

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

IF_MATCH, IF_NONE_MATCH = "If-Match", "If-None-Match"


def tag(version: int) -> str:
    return f'"{version}"'


def read_if_match() -> frozenset[str] | None:
    """The versions that a change may begin from; None for any. A weak tag fits nothing."""
    if IF_MATCH not in request.headers or request.if_match.star_tag:
        return None
    return frozenset(request.if_match.as_set())


def has_version(version: int) -> bool:
    """Whether the caller has this version already."""
    return request.if_none_match.contains_weak(str(version))


def revalidated(response: Response) -> AnyResponse:
    """Kept by browsers, and asked for again by its ETag: 1.8 MB of script do not come twice."""
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)
