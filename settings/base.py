"""Where settings are read: the environment, then `.env`."""

import os

from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict


class EnvironmentSettings(BaseSettings):
    """An empty value counts as not set, in the environment and in `.env`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        validate_default=False,  # the empty defaults mean: not set
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings names the parameters
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before `.env`. A variable that is there and empty also hides its line of `.env`."""
        if isinstance(dotenv_settings, DotEnvSettingsSource):
            hidden = {name.lower() for name, value in os.environ.items() if not value}
            lines = dotenv_settings.env_vars.items()
            dotenv_settings.env_vars = {name: value for name, value in lines if name not in hidden}
        return init_settings, env_settings, dotenv_settings
