"""Request bodies of the Frontend API: forms, whose values are all text."""

from typing import Annotated, Any, Literal, TypeVar

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from clerk_emulator import passwords
from clerk_emulator.fields import Metadata, parse, read_json_object


class Form(BaseModel):
    """Ignores what it does not know: the SDKs send more than they need."""

    model_config = ConfigDict(extra="ignore")


class VerificationForm(Form):
    strategy: str = "email_code"
    code: str | None = None


FormT = TypeVar("FormT", bound=Form)


def _read_metadata(value: str | None) -> dict[str, Any]:
    try:
        return read_json_object(value or "{}")
    except RecursionError:
        raise ValueError("nested too deeply") from None


FormMetadata = Annotated[Metadata, BeforeValidator(_read_metadata)]
# What Clerk knows and this emulator does not: refused, for a sign-up without it would be another one than was asked
# for.
NotEmulated = Literal["false"] | None
Password = Annotated[str, StringConstraints(max_length=passwords.MAX_LENGTH)]


def read_form(model: type[FormT]) -> FormT:
    """Read the request's form as `model`; the SDKs write null as an empty value."""
    return parse(model, {name: value or None for name, value in request.form.items()})
