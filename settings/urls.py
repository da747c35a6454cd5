"""URLs and origins, as settings have them: checked and cleaned as they are read.

A message says what is expected and never repeats the value: it may hold a password.
"""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

INNGEST_DEV_SERVER = "http://127.0.0.1:8288"
BACKEND_API_HOST = "api.clerk.com"
PORTS = {"http": 80, "https": 443, "smtp": 25, "smtps": 465}
NO_ORIGINS = {"ws", "wss", "ftp", "file"}


def _split(url: str) -> SplitResult:
    """Its parts, with scheme and host in small letters and without a default port, as browsers and Clerk write them.

    Raises ValueError.
    """
    if re.search(r"[^\x21-\x7e]|\\", url):
        raise ValueError("has a space, or a letter that is none of ASCII: write %20, and a host as xn--…")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if "[" in parts.netloc:
        host = f"[{ip_address(host).compressed}]"
    elif not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", host):
        raise ValueError("has a host that is no name and no address")
    if port == 0:
        raise ValueError("has a port that is none")
    port = None if port == PORTS.get(parts.scheme) else port
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@{host}" if user else host
    return parts._replace(netloc=netloc if port is None else f"{netloc}:{port}")


def _split_http(url: str) -> SplitResult:
    try:
        parts = _split(url)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in PORTS or not parts.scheme.startswith("http"):
        raise ValueError("must be a URL that begins with https:// (or http:// in development)")
    if "@" in parts.netloc:
        raise ValueError("has a user or a password in it, which would not be sent")
    if "#" in url:
        raise ValueError("has a part after #, which would not be sent")
    return parts


def read_http_url(url: str) -> str:
    return _split_http(url).geturl()


def read_jwks_url(url: str) -> str:
    """Where a JWK set is: one below the Frontend API, or at the Backend API."""
    parts = _split_http(url)
    if parts.path in {"", "/"}:
        raise ValueError("has no path: Clerk's is https://<host of the Frontend API>/.well-known/jwks.json")
    if parts.path.endswith("/openid-configuration"):
        raise ValueError("is not of the keys: they are beside it, at /.well-known/jwks.json")
    if parts.path.endswith("/.well-known/jwks.json/"):
        raise ValueError("has a slash at its end that Clerk's has not")
    if parts.hostname == BACKEND_API_HOST and (parts.scheme, parts.path) != ("https", "/v1/jwks"):
        raise ValueError(f"must be https://{BACKEND_API_HOST}/v1/jwks, when it is Clerk's Backend API")
    return parts.geturl()


def read_api_url(url: str) -> str:
    """The address that stands before `/v1`."""
    parts = _split_http(url)
    path = parts.path.rstrip("/").removesuffix("/v1")
    if "/v1/" in path or "/.well-known/" in path or parts.query:
        raise ValueError(f"is the address of one thing: write what stands before /v1, like https://{BACKEND_API_HOST}")
    if parts.hostname == BACKEND_API_HOST and (parts.scheme, path) != ("https", ""):
        raise ValueError(f"must be https://{BACKEND_API_HOST}, when it is Clerk's own")
    return parts._replace(path=path).geturl()


def read_issuer(url: str) -> str:
    """The `iss` of tokens, which is compared as a text: the URL of the Frontend API, or of the proxy before it."""
    parts = _split_http(url)
    if "/.well-known" in parts.path:
        raise ValueError("is an address below the issuer: write only what stands before /.well-known")
    if url.endswith("/"):
        raise ValueError("is compared as a text: write it without the closing slash")
    if parts.query:
        raise ValueError("has a part after ?, which no issuer has")
    if parts.hostname == BACKEND_API_HOST:
        raise ValueError("is Clerk's Backend API: tokens are issued by the Frontend API, as https://clerk.example.com")
    host = parts.hostname or ""
    if host.endswith(".accounts.dev") and not host.endswith(".clerk.accounts.dev"):
        raise ValueError("is Clerk's account portal: the issuer has .clerk in it, as https://….clerk.accounts.dev")
    return parts.geturl()


def read_origin(text: str) -> str:
    """As browsers send it in `Origin`, and Clerk in `azp`. Native shells have schemes of their own."""
    scheme = text.partition("://")[0]
    wrong = "takes exact origins like https://app.example.com, without a path, a closing slash or *"
    if scheme.lower() in {"http", "https"}:
        try:
            origin = _split_http(text).geturl()
        except ValueError:
            raise ValueError(wrong) from None
        if origin.partition("://")[2] != urlsplit(origin).netloc or text.endswith(("/", "?", "#")):
            raise ValueError(wrong)
        return origin
    if scheme in NO_ORIGINS or not re.fullmatch(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._:-]+", text):
        raise ValueError(wrong)
    return text


def read_http_origin(text: str) -> str:
    return read_http_url(read_origin(text))


def read_inngest_dev(value: object) -> str:
    """The URL of Inngest's dev server, empty for none."""
    text = str(value).strip()
    if text.lower() in {"false", "off", "no", "0"}:
        return ""
    if text.lower() in {"true", "on", "yes", "1"}:
        return INNGEST_DEV_SERVER
    parts = _split_http(text)
    if parts.path.strip("/") or parts.query:
        raise ValueError(f"takes true, or the server's URL without a path, like {INNGEST_DEV_SERVER}")
    return parts._replace(path="").geturl()


def check_redis_url(secret: SecretStr) -> SecretStr:
    """Valkey speaks the same. Any other parameter would be found out by the first request, or undo a time limit."""
    text = re.sub("^valkey", "redis", secret.get_secret_value())
    try:
        parts = urlsplit(text)
        is_complete = parts.scheme in {"redis", "rediss"} and parts.hostname and (parts.port or 1)
    except ValueError:
        is_complete = False
    if not is_complete or not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("must be redis://:password@host:6379/0, or rediss://… with TLS")
    names = {part.partition("=")[0] for part in parts.query.split("&") if part}
    if names - ({"ssl_ca_certs", "ssl_cert_reqs"} if parts.scheme == "rediss" else set()):
        raise ValueError("takes no parameters after the ? but ssl_ca_certs and ssl_cert_reqs, with rediss://")
    return SecretStr(text)


def check_smtp_url(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        parts = urlsplit(text)
        is_complete = parts.scheme in {"smtp", "smtps"} and parts.hostname and (parts.port or 1)
    except ValueError:
        is_complete = False
    if not is_complete or parts.path.strip("/") or set("?#") & set(text) or re.search(r"\s", text):
        raise ValueError(
            "must be smtp://user:password@host:587 or smtps://user:password@host:465, "
            "and / ? # in the password written as %2F %3F %23"
        )
    if bool(parts.username) != bool(parts.password):
        raise ValueError("has a user without a password, or the other way round")
    if (parts.scheme, parts.port) in {("smtp", 465), ("smtps", 25), ("smtps", 587)}:
        raise ValueError("has a port of the other kind: smtps:// is for 465, smtp:// with STARTTLS for 587 and 25")
    return secret
