"""Every wrong setting is refused, with a line that names its key and shows nothing of its value."""

import base64
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from config import ConfigError, Settings, load_settings, setting_names
from settings.development import (
    DEVELOPMENT_PEPPER,
    LOCAL_CLERK_HOST,
    LOCAL_CLERK_SECRET_PREFIX,
    LOCAL_CLERK_WEBHOOK_MARK,
)
from settings.weak_secrets import PUBLISHED
from tests.settings.loading import load, refusal
from tests.support.clerk import Instance
from tests.support.server import PROJECT

INSTANCE = Instance()
# Never in an output, whichever setting it is part of.
SECRET = "hunter2hunter2hunter2"
CLERK_SECRET = secrets.token_hex(20)
PUBLISHED_FOR_WEBHOOKS = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _pem(key: Any) -> str:
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def private_pem() -> str:
    return INSTANCE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _publishable(host: str, kind: str = "test") -> str:
    return f"pk_{kind}_" + base64.b64encode(f"{host}$".encode()).decode()


# The name of each setting with a wrong value, and such values.
WRONG: dict[str, list[str]] = {
    "ENV": ["staging", "prod", "Production", SECRET],
    "DATABASE_URL": [
        *(f"mysql://u:{SECRET}@h/d", f"sqlite:///{SECRET}.db", SECRET, f"postgresql://u:{SECRET}@h:port/d"),
        *(f"postgresql+asyncpg://u:{SECRET}@h/d", f"http://{SECRET}"),
        # A password that is not written as a URL has it; what its rest looks like is not to be repeated.
        *(f"postgresql://u:x@{end}@h/d" for end in (SECRET, f"y/{SECRET}", f"y?{SECRET}=z", f"y?sslmode={SECRET}")),
        f"postgresql://u:x@y?z=1&{SECRET}@h/d",
    ],
    "CLERK_PUBLISHABLE_KEY": [
        *("pk_test_", SECRET, f"sk_test_{SECRET}", f"pk_test_{SECRET}", "pk_prod_Y2xlcmsuY2xlcmsuZGV2JA"),
        "pk_test_" + base64.b64encode(b"no-dollar.example").decode(),
        *map(_publishable, ("evil.example/path", "user@evil.example", "localhost", "é.example")),
    ],
    "CLERK_SECRET_KEY": [
        *(SECRET, f"sk_test_{CLERK_SECRET} x", f"sk_test_{CLERK_SECRET}é", f"sk_test_{CLERK_SECRET}\nx"),
        *("sk_test_", f"pk_test_{CLERK_SECRET}"),
    ],
    "CLERK_WEBHOOK_SECRET": [
        *(SECRET, f"whsec_{SECRET}!", "whsec_", "whsec_" + base64.b64encode(b"x" * 15).decode()),
        *(f"{INSTANCE.webhook_secret},{SECRET}", base64.b64encode(b"x" * 24).decode()),
    ],
    "CLERK_JWT_KEY": [
        *(SECRET, "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"),
        *(INSTANCE.pem[:200], INSTANCE.pem.replace("M", "?", 3), private_pem()),
        _pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
        _pem(ed25519.Ed25519PrivateKey.generate().public_key()),
        _pem(rsa.generate_private_key(65_537, 1024).public_key()),
        _pem(rsa.generate_private_key(3, 2048).public_key()),
    ],
    "CLERK_JWKS_URL": ["ftp://h/keys", "file:///etc/passwd", SECRET, "https://", "//h/keys", "http://["],
    "CLERK_INSTANCE_ID": ["ins_", "sk_test_x", f"ins_{SECRET}!", "INS_2abc", "ins_2abc,ins_2def", SECRET],
    "CLERK_API_URL": ["ftp://h", "api.clerk.com", SECRET, "https://"],
    "CLERK_ISSUER": [SECRET, "clerk.example.com", "https://a.example,b.example", "ftp://clerk.example"],
    "CLERK_AUTHORIZED_PARTIES": [
        *("https://*.example.com", "https://app.example.com/", "https://app.example.com/path"),
        *("portal.example", "null", f"https://ok.example,{SECRET}"),
    ],
    "CLERK_AUDIENCE": ['["api"]', '"api', "api,(x)", "api\tx"],
    "CLERK_MISSING_AZP": ["yes", "Allow", "true", SECRET],
    "CLERK_JWKS_TTL": ["-1", "86401", "1.5", "an hour", SECRET],
    "CLERK_JWKS_DIR": ["keys", "./keys", "~/keys", SECRET],
    "CORS_ORIGINS": [*("*", "null", "https://*.example.com", "https://a.example/", "https://a.example:80/x", SECRET)],
    "API_KEY_PREFIX": [
        *("ak", "mt", "oat", "sk_test", "sk_live", "Sk", "sk-app", "sk_", "_sk", "sk__app", "1sk", "a" * 21),
        SECRET,
    ],
    "API_KEY_PEPPER": ["fifteen letters", f"base64:{SECRET}"],
    "LEGACY_JWT_SECRET": [SECRET, f"base64:{SECRET}", "x" * 40],
    "LEGACY_JWT_ISSUER": ['["old"]', "old'app", "old\napp"],
    "LEGACY_JWT_AUDIENCE": ['["old"]', "{old}", "old\napp"],
    "LEGACY_JWT_EMAIL_CLAIM": ["me@example.com", "iss", "the address", "exp"],
    "LEGACY_JWT_MAX_AGE": ["0", "59", "-1", "31536001", "30d", SECRET],
    "LEGACY_JWT_SUNSET": ["soon", "2027-13-01", "2027-01-01T00:00:00", SECRET],
    "LEGACY_LINK_BY_EMAIL": ["maybe", SECRET],
    "DELETED_USER_RETENTION_DAYS": ["-1", "3651", "1.5", "a week", SECRET],
    "AUDIT_RETENTION_DAYS": ["0", "-1", "36501", "a year", SECRET],
    "OUTBOX_URL": ["ftp://h/events", "app.example.com/events", SECRET, "https://", "http://["],
    "OUTBOX_SECRET": [
        *(SECRET, f"whsec_{SECRET}!", "whsec_", "whsec_" + base64.b64encode(b"x" * 15).decode()),
        *(f"{INSTANCE.webhook_secret},{SECRET}", f"whsec_{PUBLISHED_FOR_WEBHOOKS}"),
    ],
    "LEGACY_LINK_BY_EXTERNAL_ID": [*("ture", "enabled", "legacy", "legacy :", ":" * 65, "é:"), SECRET],
    "INNGEST_SIGNING_KEY": ["signkey-prod-", f"signkey-prod-{SECRET}", "a" * 33, "signkey-prod-" + "0f" * 15, SECRET],
    "INNGEST_EVENT_KEY": ["a b", "a/b", "é" * 20, f"{SECRET}?"],
    "INNGEST_DEV": ["ture", "127.0.0.1:8288", "ftp://h", SECRET],
    "INNGEST_SERVE_ORIGIN": [*("api.example.com", "https://api.example.com/", "ftp://h", "*", "null"), SECRET],
    "SMTP_URL": [
        *("mail.example.com", "http://mail.example.com", "smtp://", "smtp://u@h", f"smtp://u:{SECRET}@h/path"),
        *(f"smtp://u:{SECRET}@h:port", SECRET),
    ],
    "MAIL_FROM": ["example.org", "a@b, c@d", "A <a@b>", "a @b", SECRET],
    "REDIS_URL": [
        *(SECRET, "localhost:6379", f"http://:{SECRET}@h", f"redis://:{SECRET}@", f"redis://:{SECRET}@h:port/0"),
        *(
            f"redis://:{SECRET}@h/name",
            f"redis://:{SECRET}@h?socket_timeout=60",
            f"redis://:{SECRET}@h?ssl_cert_reqs=x",
        ),
    ],
    "RATE_LIMITS": ["no", "false", "0", "OFF", SECRET],
    "TRUSTED_PROXIES": ["-1", "11", "all", SECRET],
    "REQUEST_TIMEOUT": ["0", "-1", "0.4", "301", "nan", "inf", SECRET],
    "OTEL_EXPORTER_OTLP_ENDPOINT": ["localhost:4318", "grpc://localhost:4317", SECRET],
    "METRICS_TOKEN": ["fifteen-letters", "sixteen letters!", "x" * 40, f"{SECRET} ", "é" * 20],
    "LOG_LEVEL": ["loud", "debug", "TRACE", SECRET],
    "LOG_FORMAT": ["xml", "JSON", SECRET],
}


pytestmark = pytest.mark.usefixtures("no_settings")


class TestWrongValue:
    @pytest.mark.parametrize("name", WRONG)
    def test_is_refused(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        good = {"CLERK_JWT_KEY": INSTANCE.pem, "CLERK_ISSUER": INSTANCE.issuer}
        for value in WRONG[name]:
            text = refusal(monkeypatch, **good | {name: value})
            assert text.startswith(f"{name}: "), value
            assert "\n" not in text
            assert SECRET not in text
            assert len(value) < 10 or value not in text

    def test_each_has_a_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = refusal(monkeypatch, ENV="x", LOG_LEVEL="x", CLERK_JWKS_TTL="x").splitlines()
        assert [line.split(":")[0] for line in lines] == ["ENV", "CLERK_JWKS_TTL", "LOG_LEVEL"]


LIVE = Instance("clerk.example.com")
PRODUCTION = {
    "ENV": "production",
    "DATABASE_URL": f"postgresql://app:{SECRET}@127.0.0.1:9/counterfoil",
    "CLERK_PUBLISHABLE_KEY": LIVE.publishable_key.replace("pk_test", "pk_live"),
    "CLERK_SECRET_KEY": f"sk_live_{CLERK_SECRET}",
    "CLERK_WEBHOOK_SECRET": LIVE.webhook_secret,
    "API_KEY_PEPPER": secrets.token_urlsafe(32),
    "CLERK_AUTHORIZED_PARTIES": "https://app.example.com",
}
EMULATOR_PUBLISHABLE_KEY = "pk_test_" + base64.b64encode(f"{LOCAL_CLERK_HOST}$".encode()).decode()
EMULATOR_WEBHOOK_SECRET = "whsec_" + base64.b64encode(LOCAL_CLERK_WEBHOOK_MARK + b"x" * 16).decode()
# What production is refused with, beside PRODUCTION: what is missing, what was made for development, what has no TLS.
UNFIT = (
    ("DATABASE_URL", {"DATABASE_URL": ""}),
    ("CLERK_AUTHORIZED_PARTIES", {"CLERK_AUTHORIZED_PARTIES": ""}),
    ("CLERK_WEBHOOK_SECRET", {"CLERK_WEBHOOK_SECRET": ""}),
    ("CLERK_WEBHOOK_SECRET", {"CLERK_WEBHOOK_SECRET": EMULATOR_WEBHOOK_SECRET}),
    ("CLERK_WEBHOOK_SECRET", {"CLERK_WEBHOOK_SECRET": f"{LIVE.webhook_secret},{EMULATOR_WEBHOOK_SECRET}"}),
    ("CLERK_PUBLISHABLE_KEY", {"CLERK_PUBLISHABLE_KEY": ""}),
    ("CLERK_PUBLISHABLE_KEY", {"CLERK_PUBLISHABLE_KEY": EMULATOR_PUBLISHABLE_KEY}),
    ("CLERK_PUBLISHABLE_KEY", {"CLERK_JWT_KEY": LIVE.pem, "CLERK_ISSUER": f"https://{LOCAL_CLERK_HOST}"}),
    ("CLERK_SECRET_KEY", {"CLERK_SECRET_KEY": LOCAL_CLERK_SECRET_PREFIX + SECRET}),
    ("CLERK_JWKS_URL", {"CLERK_JWKS_URL": "http://clerk.example.com/.well-known/jwks.json"}),
    ("CLERK_API_URL", {"CLERK_API_URL": "http://api.clerk.example"}),
    ("INNGEST_DEV", {"INNGEST_DEV": "true"}),
    ("OUTBOX_SECRET", {"OUTBOX_URL": "https://app.example.com/events"}),
    ("OUTBOX_URL", {"OUTBOX_URL": "http://app.example.com/events", "OUTBOX_SECRET": LIVE.webhook_secret}),
    ("INNGEST_SERVE_ORIGIN", {"INNGEST_SERVE_ORIGIN": "http://api.example.com"}),
    ("API_KEY_PEPPER", {"API_KEY_PEPPER": ""}),
    ("API_KEY_PEPPER", {"API_KEY_PEPPER": DEVELOPMENT_PEPPER.decode()}),
)


class TestProduction:
    def test_good(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert load(monkeypatch, **PRODUCTION).check_complete().is_production

    @pytest.mark.parametrize(("name", "changes"), UNFIT)
    def test_is_refused(self, monkeypatch: pytest.MonkeyPatch, name: str, changes: dict[str, str]) -> None:
        text = refusal(monkeypatch, **PRODUCTION | changes)
        assert name in [line.partition(":")[0] for line in text.splitlines()]
        for secret in (SECRET, LIVE.webhook_secret, EMULATOR_WEBHOOK_SECRET):
            assert secret not in text


class TestForgottenEnv:
    """Keys of a live instance in development: it would take the embedded database and the known pepper."""

    @pytest.mark.parametrize("env", ["", "development"])
    @pytest.mark.parametrize("name", ["CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY"])
    def test_is_refused(self, monkeypatch: pytest.MonkeyPatch, name: str, env: str) -> None:
        test_keys = {"CLERK_PUBLISHABLE_KEY": LIVE.publishable_key, "CLERK_SECRET_KEY": f"sk_test_{CLERK_SECRET}"}
        assert not load(monkeypatch, ENV=env, **test_keys).check_complete().is_production
        text = refusal(monkeypatch, ENV=env, **test_keys | {name: PRODUCTION[name]})
        assert text.startswith("ENV: must be production, ")
        assert name in text
        assert PRODUCTION[name] not in text


class TestIncomplete:
    def test_no_clerk_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refusal(monkeypatch).startswith("CLERK_PUBLISHABLE_KEY: ")

    @pytest.mark.parametrize(
        ("named", "missing"),
        [
            ({"INNGEST_SIGNING_KEY": secrets.token_hex(32)}, "INNGEST_SERVE_ORIGIN"),
            ({"SMTP_URL": "smtp://h"}, "MAIL_FROM"),
        ],
    )
    def test_one_that_another_needs(self, monkeypatch: pytest.MonkeyPatch, named: dict[str, str], missing: str) -> None:
        good = {"CLERK_JWT_KEY": INSTANCE.pem, "CLERK_ISSUER": INSTANCE.issuer}
        assert refusal(monkeypatch, **good | named).startswith(f"{missing}: ")

    def test_no_issuer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refusal(monkeypatch, CLERK_JWT_KEY=INSTANCE.pem).startswith("CLERK_ISSUER: ")


class TestPublicKey:
    def test_spelling(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = INSTANCE.pem.splitlines()
        ends = (INSTANCE.pem.replace("\n", end) for end in ("\r\n", "\\n", "\\r\\n", " ", ""))
        bare = ("".join(lines[1:-1]), "\n".join(lines[1:-1]))
        for spelling in (INSTANCE.pem, INSTANCE.pem.strip(), f"\n\n   {INSTANCE.pem}  \n", *ends, *bare):
            assert load(monkeypatch, CLERK_JWT_KEY=spelling).clerk_jwt_key == INSTANCE.pem, spelling


class TestSecondName:
    """Clerk's SDKs call two settings otherwise. The empty line of a copied example must not hide what is set."""

    @pytest.mark.parametrize("first", [{}, {"CLERK_JWT_KEY": ""}], ids=["absent", "empty"])
    def test_public_key(self, monkeypatch: pytest.MonkeyPatch, first: dict[str, str]) -> None:
        assert load(monkeypatch, **first, JWT_KEY=INSTANCE.pem).clerk_jwt_key == INSTANCE.pem

    @pytest.mark.parametrize("first", [{}, {"CLERK_WEBHOOK_SECRET": ""}], ids=["absent", "empty"])
    def test_webhook_secret(self, monkeypatch: pytest.MonkeyPatch, first: dict[str, str]) -> None:
        settings = load(monkeypatch, **first, CLERK_WEBHOOK_SIGNING_SECRET=INSTANCE.webhook_secret)
        assert [secret.get_secret_value() for secret in settings.clerk_webhook_secret] == [INSTANCE.webhook_secret]


class TestDotEnv:
    def test_environment_counts_before_it(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nCLERK_JWKS_TTL=7\nUNKNOWN=1\n")
        settings = load(monkeypatch, LOG_LEVEL="ERROR")
        assert (settings.log_level, settings.clerk_jwks_ttl) == ("ERROR", 7)

    def test_is_checked_alike(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text(f"CLERK_WEBHOOK_SECRET={SECRET}\n")
        text = refusal(monkeypatch)
        assert text.startswith("CLERK_WEBHOOK_SECRET: ")
        assert SECRET not in text


class TestLocalDatabase:
    """What `make run` says of its database, in development."""

    @pytest.fixture
    def place(self) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="sock et ") as place:  # tmp_path is too long for a socket
            yield place

    @pytest.fixture
    def url(self, place: str, tmp_path: Path) -> str:
        url = f"postgresql+psycopg2://postgres@/counterfoil?host={quote(place, safe='')}&port=5432"
        (tmp_path / "database.env").write_text(f"DATABASE_URL={url}\n")
        return url

    @pytest.mark.parametrize("empty", [{}, {"DATABASE_URL": ""}], ids=["absent", "empty"])
    def test_served(self, monkeypatch: pytest.MonkeyPatch, place: str, url: str, empty: dict[str, str]) -> None:
        for name, value in empty.items():
            monkeypatch.setenv(name, value)
        with closing(socket.socket(socket.AF_UNIX)) as server:
            server.bind(f"{place}/.s.PGSQL.5432")
            server.listen()
            assert load_settings().database_url.get_secret_value() == url

    @pytest.mark.usefixtures("url")
    def test_what_is_set_counts_before_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "db.example" in load(monkeypatch).database_url.get_secret_value()

    @pytest.mark.usefixtures("url")
    def test_not_in_production(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refusal(monkeypatch, ENV="production", DATABASE_URL="").startswith("DATABASE_URL: missing")

    @pytest.mark.parametrize("left", ["nothing", "file", "socket", "empty"])
    def test_none_served(
        self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path, left: str
    ) -> None:
        if left in {"file", "socket"}:
            request.getfixturevalue("url")
        if left == "socket":
            with closing(socket.socket(socket.AF_UNIX)) as server:
                server.bind(f"{request.getfixturevalue('place')}/.s.PGSQL.5432")
        if left == "empty":
            (tmp_path / "database.env").write_text("DATABASE_URL=\n")
        text = refusal(monkeypatch, DATABASE_URL="")
        assert text.startswith("DATABASE_URL: not set, ")
        assert "`make run`" in text
        assert "\n" not in text


class TestSecrets:
    def test_stay_out_of_the_text_of_the_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load(
            monkeypatch,
            DATABASE_URL=f"postgresql://u:{SECRET}@h/d",
            CLERK_SECRET_KEY=f"sk_test_{CLERK_SECRET}",
            CLERK_WEBHOOK_SECRET=INSTANCE.webhook_secret,
        )
        text = repr(settings) + str(settings) + repr(settings.model_dump())
        for secret in (SECRET, CLERK_SECRET, INSTANCE.webhook_secret.removeprefix("whsec_")):
            assert secret not in text


# How settings spell a secret: as text or base64, or as Svix, Clerk or Inngest do.
SPELLINGS = (
    *(["{text}", "base64:{base64}"], ["{text}"], ["whsec_{base64}"], ["sk_test_{text}"]),
    ["{hex}", "signkey-test-{hex}"],
)


def _spell(form: str, key: bytes) -> str:
    return form.format(text=key.decode("latin-1"), base64=base64.b64encode(key).decode(), hex=key.hex())


WEAK = (
    *(bytes(16), bytes(64), b"x" * 40, b"0123456789abcdef", b"hunter2" * 6, secrets.token_hex(7).encode()),
    *(b"change_me_in_production_min_32_chars_long", secrets.token_hex(8).encode() * 4),
    *(published.encode() for published in PUBLISHED),
    base64.b64decode(PUBLISHED_FOR_WEBHOOKS),
)
# Whoever takes these judges them: PostgreSQL, Redis and a mail server the password in their URL, Inngest its own key.
JUDGED_ELSEWHERE = {"database_url", "redis_url", "smtp_url", "inngest_event_key"}
SECRETS = [
    name.upper()
    for name, field in Settings.model_fields.items()
    if "SecretStr" in repr(field.annotation) and name not in JUDGED_ELSEWHERE
]


class TestWeakSecrets:
    """Whatever the settings hold as a secret is measured alike."""

    @pytest.mark.parametrize("name", SECRETS)
    def test_are_refused(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        def refusals(forms: list[str], key: bytes) -> set[str | None]:
            values = [value for form in forms if (value := _spell(form, key)).isprintable()]
            return {self._refusal(monkeypatch, name, value) for value in values}

        strong = f"{secrets.token_hex(31)}z".encode()
        forms = next(forms for forms in SPELLINGS if refusals(forms, strong) == {None})
        reasons = set().union(*(refusals(forms, key) for key in WEAK))
        assert None not in reasons
        said = " ".join(map(str, reasons))
        assert all(word in said for word in ("at least", "example", "pattern", "template")), said

    def test_the_published_secret_of_webhooks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = refusal(monkeypatch, CLERK_WEBHOOK_SECRET=f"{INSTANCE.webhook_secret},whsec_{PUBLISHED_FOR_WEBHOOKS}")
        assert text == "CLERK_WEBHOOK_SECRET: is an example that everybody can read; take a random one"

    def _refusal(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str | None:
        """What the setting is refused with; None when it is good."""
        try:
            load(monkeypatch, **{name: value})
        except ConfigError as error:
            text = str(error)
        else:
            return None
        assert text.startswith(f"{name}: ")
        assert value not in text
        return text


class TestExampleFile:
    def test_lists_exactly_the_settings(self) -> None:
        """Set or commented out, each once."""
        lines = (PROJECT / ".env.example").read_text(encoding="utf-8").splitlines()
        named = [line.lstrip("# ").partition("=")[0] for line in lines if "=" in line]
        named = [name for name in named if name.replace("_", "").isalnum() and name.isupper()]
        assert len(named) == len(set(named))
        aliases = {"CLERK_WEBHOOK_SIGNING_SECRET", "JWT_KEY"}
        assert set(named) - aliases == set(setting_names()) - aliases
