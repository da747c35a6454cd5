"""Conditional requests (RFC 9110 section 13). A tag is the version of what it tags."""

import re
from http import HTTPStatus

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from backend.services.idempotency import Answer

IF_MATCH, IF_NONE_MATCH = "If-Match", "If-None-Match"
ANY = "*"
TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
TAGS = re.compile(rf"\s*{TAG.pattern}(\s*,\s*{TAG.pattern})*\s*")


def tag(version: int) -> str:
    return f'"{version}"'


def read_if_match() -> frozenset[str] | None:
    """The versions that a change may begin from; None for any. A weak tag, or none that can be read, fits nothing."""
    header = request.headers.get(IF_MATCH)
    return None if header is None or header.strip() == ANY else _read_tags(header, with_weak=False)


def not_modified(version: int) -> Answer | None:
    """The 304 for a caller who has this version already."""
    header = request.headers.get(IF_NONE_MATCH)
    if header is None or (header.strip() != ANY and str(version) not in _read_tags(header, with_weak=True)):
        return None
    return Answer(HTTPStatus.NOT_MODIFIED, "", etag=tag(version))


def revalidated(response: Response) -> AnyResponse:
    """Kept by browsers, and asked for again by its ETag: 1.8 MB of script do not come twice."""
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


def _read_tags(header: str, *, with_weak: bool) -> frozenset[str]:
    if not TAGS.fullmatch(header):
        return frozenset()
    return frozenset(value for weak, value in TAG.findall(header) if with_weak or not weak)
