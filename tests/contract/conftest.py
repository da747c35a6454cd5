import pytest
from flask import Flask

from backend import create_app
from config import Settings


@pytest.fixture
def app(settings: dict[str, str]) -> Flask:
    values = {
        name if "KEY" in name or "SECRET" in name else name.lower(): value for name, value in settings.items()
    }
    return create_app(Settings.model_validate(values))
