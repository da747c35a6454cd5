"""Values that are well-formed and can never work: refused with what was meant, or read where there is one meaning."""

import base64
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from config import ConfigError, setting_names
from settings.development import LOCAL_CLERK_SECRET_PREFIX
from tests.settings.loading import DATABASE, load, refusal
from tests.settings.test_values import CLERK_SECRET, EMULATOR_PUBLISHABLE_KEY, INSTANCE, LIVE, PRODUCTION, private_pem

pytestmark = pytest.mark.usefixtures("no_settings")

GOOD = {"CLERK_JWT_KEY": INSTANCE.pem, "CLERK_ISSUER": INSTANCE.issuer}
LIVE_KEY, SECRET_KEY = PRODUCTION["CLERK_PUBLISHABLE_KEY"], f"sk_test_{CLERK_SECRET}"
PEM_FIRST_LINE = INSTANCE.pem.splitlines()[0]
SIGNING_KEY = f"signkey-test-{CLERK_SECRET}"
RANDOM = base64.b64encode(bytes(range(3, 240, 7))).decode()
BACKEND = "https://api.clerk.com"

# Each setting with values of other people's `.env` files, and what the line says besides its name.
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("ENV", "prod", "'production'"),
    ("DATABASE_URL", f"{DATABASE}?pgbouncer=true", "does not know: pgbouncer; take it out"),
    ("DATABASE_URL", f"{DATABASE}?schema=public", "does not know: schema; take it out"),
    ("DATABASE_URL", f"{DATABASE}?ssl=true", "does not know: ssl; write sslmode=require"),
    ("DATABASE_URL", f"{DATABASE}?connection_limit=5", "take it out"),
    ("DATABASE_URL", f"{DATABASE}?sslmode=verify-full&sslrootcert=/not/there.crt", "sslrootcert=system"),
    ("DATABASE_URL", "jdbc:postgresql://h/d", "postgresql://"),
    ("DATABASE_URL", "host=h dbname=d", "is not a URL like postgresql://"),
    ("DATABASE_URL", "postgresql://u:p@h/one\ntwo", "line break"),
    ("CLERK_PUBLISHABLE_KEY", SECRET_KEY, "is a secret key, for CLERK_SECRET_KEY"),
    ("CLERK_PUBLISHABLE_KEY", "https://clerk.example.com", "is a URL"),
    ("CLERK_SECRET_KEY", LIVE.publishable_key, "is a publishable key, for CLERK_PUBLISHABLE_KEY"),
    ("CLERK_SECRET_KEY", "ak_" + CLERK_SECRET, "is an API key of one of Clerk's users"),
    ("CLERK_SECRET_KEY", INSTANCE.webhook_secret, "for CLERK_WEBHOOK_SECRET"),
    ("CLERK_WEBHOOK_SECRET", SECRET_KEY, "for CLERK_SECRET_KEY"),
    ("CLERK_WEBHOOK_SECRET", "https://api.example.com/api/webhooks", "is a URL"),
    ("CLERK_JWT_KEY", private_pem(), "is a private key"),
    ("CLERK_JWT_KEY", base64.b64encode(private_pem().encode()).decode(), "is a private key"),
    ("CLERK_JWT_KEY", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "is a certificate"),
    ("CLERK_JWT_KEY", PEM_FIRST_LINE, "ends after its first line"),
    ("CLERK_JWT_KEY", INSTANCE.publishable_key, "for CLERK_PUBLISHABLE_KEY"),
    ("CLERK_JWT_KEY", "https://clerk.example.com/.well-known/jwks.json", "is a URL"),
    ("CLERK_JWKS_URL", "https://clerk.example.com", "/.well-known/jwks.json"),
    ("CLERK_JWKS_URL", "https://clerk.example.com/", "/.well-known/jwks.json"),
    ("CLERK_JWKS_URL", "https://clerk.example.com/.well-known/openid-configuration", "/.well-known/jwks.json"),
    ("CLERK_JWKS_URL", "https://clerk.example.com/.well-known/jwks.json/", "slash at its end"),
    ("CLERK_JWKS_URL", "https://u:p@clerk.example.com/.well-known/jwks.json", "a user or a password"),
    ("CLERK_JWKS_URL", f"{BACKEND}/jwks", f"{BACKEND}/v1/jwks"),
    ("CLERK_JWKS_URL", "http://api.clerk.com/v1/jwks", f"{BACKEND}/v1/jwks"),
    ("CLERK_JWKS_URL", "https://clerk.example.com:https/keys", "must be a URL"),
    ("CLERK_ISSUER", "https://clerk.example.com/.well-known/jwks.json", "before /.well-known"),
    ("CLERK_ISSUER", "https://clerk.example.com/", "without the closing slash"),
    ("CLERK_ISSUER", f"{BACKEND}", "Frontend API"),
    ("CLERK_ISSUER", "https://happy-cat-1.accounts.dev", "account portal"),
    ("CLERK_INSTANCE_ID", SECRET_KEY, "(ins_…)"),
    ("CLERK_API_URL", f"{BACKEND}/v1/jwks", "before /v1"),
    ("CLERK_API_URL", "http://api.clerk.com", f"must be {BACKEND}"),
    ("CLERK_API_URL", f"{BACKEND}/v2", f"must be {BACKEND}"),
    ("CLERK_AUTHORIZED_PARTIES", "https://app.example.com/sign-in", "without a path"),
    ("CLERK_AUTHORIZED_PARTIES", "app.example.com", "exact origins like https://"),
    ("CLERK_AUTHORIZED_PARTIES", '["https://app.example.com"]', "exact origins"),
    ("CLERK_AUTHORIZED_PARTIES", "https://a.example https://b.example", "exact origins"),
    ("CLERK_AUTHORIZED_PARTIES", "https://a.example;https://b.example", "exact origins"),
    ("CLERK_AUTHORIZED_PARTIES", "wss://app.example.com", "exact origins"),
    ("CLERK_AUTHORIZED_PARTIES", "https://münchen.example", "exact origins"),
    ("CLERK_AUTHORIZED_PARTIES", "https://app.example.com,*", "stands alone"),
    ("CLERK_MISSING_AZP", "accept", "'reject' or 'allow'"),
    ("CLERK_AUDIENCE", '["api"]', "without quotes and brackets"),
    ("CLERK_JWKS_TTL", "1h", "integer"),
    ("CLERK_JWKS_DIR", __file__, "is a file"),
    ("API_KEY_PREFIX", "sk_live", "like Clerk's own keys"),
    ("API_KEY_PEPPER", f'"{RANDOM}"', "quotes"),
    ("API_KEY_PEPPER", f"{RANDOM}\n", "white space"),
    ("LEGACY_JWT_SECRET", f"'{RANDOM}'", "quotes"),
    ("LEGACY_JWT_SECRET", f" {RANDOM}", "white space"),
    ("LEGACY_JWT_SECRET", INSTANCE.pem.strip(), "a shared secret is random bytes"),
    ("LEGACY_JWT_ISSUER", '["old"]', "without quotes and brackets"),
    ("LEGACY_JWT_AUDIENCE", '["old"]', "without quotes and brackets"),
    ("LEGACY_JWT_EMAIL_CLAIM", "me@example.com", "name of the claim"),
    ("LEGACY_JWT_EMAIL_CLAIM", "exp", "name of the claim"),
    ("LEGACY_JWT_MAX_AGE", "30d", "integer"),
    ("LEGACY_JWT_SUNSET", "2027", "a day like"),
    ("LEGACY_JWT_SUNSET", "20270630", "a day like"),
    ("LEGACY_LINK_BY_EMAIL", "verified", "boolean"),
    ("LEGACY_LINK_BY_EXTERNAL_ID", "legacy", "ends with one of"),
    ("DELETED_USER_RETENTION_DAYS", "never", "integer"),
    ("AUDIT_RETENTION_DAYS", "0", "greater than or equal to 1"),
    ("INNGEST_EVENT_KEY", SIGNING_KEY, "for INNGEST_SIGNING_KEY"),
    ("INNGEST_SIGNING_KEY", SECRET_KEY, "for CLERK_SECRET_KEY"),
    ("INNGEST_DEV", "http://127.0.0.1:8288/api/inngest", "without a path"),
    ("INNGEST_SERVE_ORIGIN", "https://api.example.com/api/inngest", "without a path"),
    ("OUTBOX_URL", "https://u:p@app.example.com/events", "a user or a password"),
    ("OUTBOX_URL", "https://app.example.com/events#here", "#"),
    ("OUTBOX_SECRET", SECRET_KEY, "for CLERK_SECRET_KEY"),
    ("SMTP_URL", "smtp://u:p@mail.example.com:465", "smtps:// is for 465"),
    ("SMTP_URL", "smtps://u:p@mail.example.com:587", "smtp:// with STARTTLS"),
    ("SMTP_URL", "smtp://u:p#x@mail.example.com:587", "%23"),
    ("MAIL_FROM", "Example <hello@example.com>", "one e-mail address"),
    ("CORS_ORIGINS", "*", "exact origins"),
    ("CORS_ORIGINS", "https://app.example.com/", "without a path, a closing slash"),
    ("TRUSTED_PROXIES", "10.0.0.0/8", "integer"),
    ("REQUEST_TIMEOUT", "10s", "number"),
    ("LOG_LEVEL", "info", "'INFO'"),
    ("LOG_FORMAT", "xml", "'text' or 'json'"),
    ("METRICS_TOKEN", "with a space and more than enough letters", "openssl rand -base64 32"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http"),
    ("REDIS_URL", "localhost:6379", "redis://:password@host:6379/0"),
    ("REDIS_URL", "redis://localhost:6379/0?socket_timeout=60", "takes no parameters"),
    ("RATE_LIMITS", "false", "'on' or 'off'"),
)

# What has one meaning only, and what it is read as.
READ: tuple[tuple[str, str, object], ...] = (
    ("ENV", ' "development"\r\n', "development"),
    ("DATABASE_URL", f" '{DATABASE}'\n", DATABASE.replace("postgresql:", "postgresql+psycopg2:")),
    ("CLERK_PUBLISHABLE_KEY", f'"{LIVE.publishable_key}"', LIVE.publishable_key),
    ("CLERK_SECRET_KEY", f"\ufeff{SECRET_KEY}\n", SECRET_KEY),
    ("CLERK_JWKS_URL", f" {BACKEND.upper().replace('HTTPS', 'https')}:443/v1/jwks ", f"{BACKEND}/v1/jwks"),
    ("CLERK_ISSUER", " https://Clerk.Example.com:443 ", ("https://clerk.example.com",)),
    ("CLERK_ISSUER", "https://example.com/__clerk", ("https://example.com/__clerk",)),
    ("CLERK_API_URL", "https://API.clerk.com/v1/", BACKEND),
    ("CLERK_API_URL", "http://proxy:8080/clerk/", "http://proxy:8080/clerk"),
    ("CLERK_AUDIENCE", ' "api" , internal', ("api", "internal")),
    (
        "CLERK_AUTHORIZED_PARTIES",
        "HTTPS://App.Example.com:443, http://localhost:3000, http://[0:0:0:0:0:0:0:1]:80, capacitor://localhost",
        ("https://app.example.com", "http://localhost:3000", "http://[::1]", "capacitor://localhost"),
    ),
    ("CORS_ORIGINS", '"https://a.example","https://b.example:443"', ("https://a.example", "https://b.example")),
    ("INNGEST_DEV", "http://127.0.0.1:8288/", "http://127.0.0.1:8288"),
    ("LOG_LEVEL", "'DEBUG'", "DEBUG"),
    ("REQUEST_TIMEOUT", " 7\n", 7.0),
    ("CORS_ORIGINS", " \n", ()),
    ("CLERK_JWKS_URL", '""', ""),
)


# Not the values in the names of the tests: they are random, and pytest-xdist compares names.
@pytest.mark.parametrize(("name", "value", "says"), REFUSED, ids=[f"{name}-{says}" for name, _, says in REFUSED])
def test_is_refused_with_what_was_meant(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    text = refusal(monkeypatch, **GOOD | {name: value})
    assert text.startswith(f"{name}: ")
    assert says in text
    assert "\n" not in text
    for secret in (CLERK_SECRET, RANDOM, "u:p@"):
        assert secret not in text


def test_every_setting_has_a_row() -> None:
    aliases = {"CLERK_WEBHOOK_SIGNING_SECRET", "JWT_KEY"}
    assert {name for name, _, _ in REFUSED} == set(setting_names()) - aliases


@pytest.mark.parametrize(("name", "value", "read"), READ, ids=[name for name, _, _ in READ])
def test_is_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object) -> None:
    found = getattr(load(monkeypatch, **{name: value}), name.lower())
    assert getattr(found, "get_secret_value", lambda: found)() == read


def test_empty_variable_in_quotes_hides_its_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CORS_ORIGINS=https://a.example\n")
    assert load(monkeypatch).cors_origins == ("https://a.example",)
    assert load(monkeypatch, CORS_ORIGINS='""').cors_origins == ()


def test_secret_text_is_read_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a space inside, or quotes that are no pair: other bytes would refuse every token of before."""
    for secret in (f'"{RANDOM}', f"{RANDOM} {RANDOM}"):
        assert load(monkeypatch, LEGACY_JWT_SECRET=secret).legacy_jwt_secret.get_secret_value() == secret


# What cannot work together: the changes, and the line that starts with this.
TOGETHER: tuple[tuple[dict[str, str], str], ...] = (
    (PRODUCTION | {"CLERK_SECRET_KEY": SECRET_KEY}, "CLERK_SECRET_KEY: one of it and CLERK_PUBLISHABLE_KEY"),
    (PRODUCTION | {"CLERK_PUBLISHABLE_KEY": LIVE.publishable_key}, "CLERK_SECRET_KEY: one of it and"),
    (PRODUCTION | {"CLERK_AUTHORIZED_PARTIES": ""}, "CLERK_AUTHORIZED_PARTIES: missing, production needs it"),
    ({"CLERK_SECRET_KEY": LOCAL_CLERK_SECRET_PREFIX + CLERK_SECRET, **GOOD}, "CLERK_API_URL: "),
    (
        {"CLERK_PUBLISHABLE_KEY": EMULATOR_PUBLISHABLE_KEY, "CLERK_JWKS_URL": f"{BACKEND}/v1/jwks"},
        "CLERK_SECRET_KEY: set it",
    ),
    (
        {**GOOD, "CLERK_JWT_KEY": "", "CLERK_JWKS_URL": f"{BACKEND}/v1/jwks", "CLERK_API_URL": "https://proxy.example"},
        "CLERK_JWKS_URL: is not at CLERK_API_URL",
    ),
)


@pytest.mark.parametrize(("settings", "line"), TOGETHER)
def test_cannot_work_together(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], line: str) -> None:
    text = refusal(monkeypatch, **settings)
    assert any(each.startswith(line) for each in text.splitlines()), text
    assert CLERK_SECRET not in text


def test_any_party_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, **PRODUCTION | {"CLERK_AUTHORIZED_PARTIES": "*"}).check_complete()
    assert settings.authorized_parties == ()


BODY = "".join(INSTANCE.pem.splitlines()[1:-1])
SPELLINGS: dict[str, Callable[[], str]] = {
    "newlines escaped twice": lambda: INSTANCE.pem.replace("\n", "\\\\n"),
    "quoted": lambda: f'"{INSTANCE.pem}"',
    "quoted and escaped": lambda: "'" + INSTANCE.pem.replace("\n", "\\n") + "'",
    "each line quoted": lambda: "\n".join(f'"{line}\\n"' for line in INSTANCE.pem.splitlines()),
    "continued with backslashes": lambda: INSTANCE.pem.replace("\n", "\\\n"),
    "base64 of the whole": lambda: base64.b64encode(INSTANCE.pem.encode()).decode(),
    "base64 of the whole, in lines": lambda: base64.encodebytes(INSTANCE.pem.encode()).decode(),
    "base64 of CRLF": lambda: base64.b64encode(INSTANCE.pem.replace("\n", "\r\n").encode()).decode(),
    "base64 without padding": lambda: base64.b64encode(INSTANCE.pem.strip().encode()).decode().rstrip("="),
    "body without padding": lambda: BODY.rstrip("="),
    "indented": lambda: textwrap.indent(INSTANCE.pem, "    "),
    "byte order mark": lambda: "\ufeff" + INSTANCE.pem,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_a_pem(monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    assert load(monkeypatch, CLERK_JWT_KEY=SPELLINGS[spelling]()).clerk_jwt_key == INSTANCE.pem


@pytest.mark.parametrize(
    "line",
    [
        f'CLERK_JWT_KEY="{INSTANCE.pem}"',
        "CLERK_JWT_KEY='" + INSTANCE.pem + "'",
        'CLERK_JWT_KEY="' + INSTANCE.pem.replace("\n", "\\n") + '"',
        "CLERK_JWT_KEY=" + INSTANCE.pem.replace("\n", "\\n"),
        f"CLERK_JWT_KEY={BODY}",
    ],
    ids=["double", "single", "double, escaped", "bare, escaped", "body"],
)
def test_pem_in_dot_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line + "\n")
    assert load(monkeypatch).clerk_jwt_key == INSTANCE.pem


def test_sslrootcert_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "root.crt").touch()
    url = f"{DATABASE}?sslmode=verify-full&sslrootcert={tmp_path}/root.crt"
    assert "root.crt" in load(monkeypatch, DATABASE_URL=url).database_url.get_secret_value()


@pytest.mark.parametrize("name", setting_names())
def test_secret_in_the_wrong_line_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for value in (SECRET_KEY, f"postgresql://u:{CLERK_SECRET}@h/d", f'"{CLERK_SECRET}'):
        said = ""
        try:
            load(monkeypatch, **{name: value})
        except ConfigError as error:
            said = str(error)
        assert CLERK_SECRET not in said
