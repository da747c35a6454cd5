"""One bounded GET of a JSON document, for calls to Clerk."""

import json
import time
from collections.abc import Mapping

import requests
import urllib3

DEADLINE_SECONDS = 3.0
# Clerk's edge answers 403 to requests without a User-Agent of their own.
USER_AGENT = "counterfoil/0.1"


class FetchError(Exception):
    """The document could not be had. `status` is the HTTP status where there was an answer."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


def get_json(url: str, *, max_bytes: int, headers: Mapping[str, str] | None = None) -> object:
    """Fetch and parse a JSON document within DEADLINE_SECONDS and `max_bytes`; follows no redirect.

    Raises FetchError, whose text holds nothing of the answer and no credential.
    """
    ends_at = time.monotonic() + DEADLINE_SECONDS
    # identity: a compressed answer could unpack to any size.
    sent = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **(headers or {}),
    }
    try:
        with requests.get(
            url, headers=sent, timeout=DEADLINE_SECONDS, allow_redirects=False, stream=True
        ) as response:
            if response.status_code != requests.codes.ok:
                raise FetchError(f"answered {response.status_code}", response.status_code)
            return json.loads(_read_body(response.raw, max_bytes, ends_at))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise FetchError(type(error).__name__) from error
    except (ValueError, RecursionError) as error:
        raise FetchError("answered with something other than JSON") from error


def _read_body(raw: urllib3.HTTPResponse, max_bytes: int, ends_at: float) -> bytes:
    """Read what arrives, as it arrives: a timeout of the library starts anew with each byte of a slow drip."""
    body = bytearray()
    while chunk := raw.read1(max_bytes):
        body += chunk
        if len(body) > max_bytes:
            raise FetchError(f"answered with more than {max_bytes} bytes")
        if time.monotonic() > ends_at:
            raise FetchError(f"took longer than {DEADLINE_SECONDS:g} s")
    return bytes(body)
