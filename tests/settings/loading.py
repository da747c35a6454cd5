"""Settings as a process reads them, from nothing but what a test names."""

import pytest

from config import ConfigError, Settings, load_settings

DATABASE = "postgresql://u:p@db.example/counterfoil"


def load(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Settings:
    for name, value in {"DATABASE_URL": DATABASE, **settings}.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    return load_settings()


def refusal(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(monkeypatch, **settings).check_complete()
    return str(caught.value)
