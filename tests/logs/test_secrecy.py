"""That the look at all logs when the tests end finds what it looks for."""

from pathlib import Path

import pytest

from tests.support.clerk import Instance
from tests.support.secrecy import SECRET_SETTINGS, remember, told_in

LEGACY_SECRET = "f" * 5 + "0123456789" * 3
PASSWORD = "pw" + "9876543210" * 2


@pytest.mark.parametrize(
    "secret",
    [
        Instance().token(),
        Instance().webhook_secret,
        "sk_app_" + "a1B2" * 9,
        "sk_test_" + "a1B2" * 9,
        "ada@example.com",
        LEGACY_SECRET,
        PASSWORD,
    ],
    ids=range(7),  # the values are new each time
)
def test_found(tmp_path: Path, secret: str) -> None:
    remember({"LEGACY_JWT_SECRET": LEGACY_SECRET, "DATABASE_URL": f"postgresql://ada:{PASSWORD}@db/x"})
    log = tmp_path / "gunicorn.log"
    try:
        log.write_text(f"good\nsaid <{secret}>\n")
        (told,) = told_in(tmp_path)
        assert told.startswith(f"{log}:2: ")
        log.write_text("2026-12-01T00:00:00.000000Z INFO access request clerk_user_id=user_1 session_id=sess_1\n")
        assert list(told_in(tmp_path)) == []
    finally:
        log.unlink()  # or it would be found when the tests end


def test_settings_that_are_secret() -> None:
    assert {"DATABASE_URL", "CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET", "API_KEY_PEPPER", "INNGEST_SIGNING_KEY"} <= (
        SECRET_SETTINGS
    )
