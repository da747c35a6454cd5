"""What the tests of settings share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from config import load_settings, setting_names


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Neither the environment nor a developer's `.env` says anything."""
    monkeypatch.setattr(config, "PROJECT", tmp_path)
    monkeypatch.setattr(config, "LOCAL_CLERK_KEYS", tmp_path / "keys.env")
    monkeypatch.setattr(config, "LOCAL_DATABASE", tmp_path / "database.env")
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()
