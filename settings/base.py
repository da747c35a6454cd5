"""Where settings are read: the environment, then `.env`."""

import os

from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

AS_IT_STANDS = "as it stands"  # in the type of a secret text, of which white space and quotes may be a part
INVISIBLE = " \t\r\n\v\f\0\xa0\u200b\u2060\ufeff"


def clean(text: str) -> str:
    """Without what files and forms leave around a value: white space, a mark of byte order, a pair of quotes."""
    text = text.strip(INVISIBLE)
    if len(text) > 1 and text[0] in "\"'" and text.find(text[0], 1) == len(text) - 1:
        text = text[1:-1].strip(INVISIBLE)
    return text


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
        exact = {name for name, info in cls.model_fields.items() if AS_IT_STANDS in info.metadata}
        hidden = {name.lower() for name, value in os.environ.items() if not clean(value)}
        for source in (env_settings, dotenv_settings):
            if isinstance(source, EnvSettingsSource):
                given = {name: value or "" for name, value in source.env_vars.items()}
                source.env_vars = {
                    name: value if name in exact else clean(value)
                    for name, value in given.items()
                    if clean(value) and (source is env_settings or name not in hidden)
                }
        return init_settings, env_settings, dotenv_settings
