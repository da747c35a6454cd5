"""URLs and origins, as settings have them: checked and cleaned as they are read.

A message says what is expected and never repeats the value: it may hold a password.
"""

from urllib.parse import urlsplit

from pydantic import SecretStr

INNGEST_DEV_SERVER = "http://127.0.0.1:8288"


def check_http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL that begins with https:// (or http:// in development)")
    return url


def check_issuer(url: str) -> str:
    if url.endswith("/"):
        raise ValueError("is compared as a text: write it without the closing slash")
    return check_http_url(url)


def check_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
        raise ValueError("takes exact origins like https://app.example.com, without a path, a closing slash or *")
    return origin


def read_inngest_dev(value: object) -> str:
    """The URL of Inngest's dev server, empty for none."""
    text = str(value).strip()
    if text.lower() in {"false", "off", "no", "0"}:
        return ""
    if text.lower() in {"true", "on", "yes", "1"}:
        return INNGEST_DEV_SERVER
    return check_http_url(text)


def check_smtp_url(secret: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(secret.get_secret_value())
        is_complete = parts.scheme in {"smtp", "smtps"} and parts.hostname and (parts.port or 1)
    except ValueError:
        is_complete = False
    if not is_complete or parts.path.strip("/") or parts.query:
        raise ValueError("must be smtp://user:password@host:587 or smtps://user:password@host:465")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("has a user without a password, or the other way round")
    return secret
