"""Reading what Clerk sends: users, sessions and events. Untrusted input: every value is checked before it nears the
database.

Unknown members pass: Clerk adds some. A member of a wrong type makes the whole unusable, and the reason names its path.
"""

import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from backend.models.base import UNSTORABLE
from backend.services.clerk.webhooks.signature import TOLERANCE_SECONDS
from backend.services.core.claims import IDENTIFIER, SKEW_SECONDS

# Longer ones do not exist (RFC 5321), and from 2.7 kB on one would not fit into an index.
MAX_EMAIL_LENGTH = 320
LAST_MILLISECOND = 253_402_300_799_999  # end of the year 9999
SKEW = int(SKEW_SECONDS * 1000)
# No time of Clerk's that is accepted lies further ahead of our clock: Svix's may be ahead of it, and Clerk's of that.
MAX_AHEAD = timedelta(seconds=TOLERANCE_SECONDS + SKEW_SECONDS)

M = TypeVar("M", bound="Payload")


class Unprocessable(Exception):
    """Signed by Clerk and still unusable. The text names the member and holds no value of it."""


class Payload(BaseModel):
    """An object of Clerk."""

    model_config = ConfigDict(strict=True, frozen=True)


def read_payload(model: type[M], data: object, as_of: int | None = None) -> M:
    """Raises Unprocessable with the path of the first wrong member.

    `as_of`: when Clerk said it, in Unix milliseconds; without it, now. See Past.
    """
    try:
        return model.model_validate(data, context=as_of)
    except ValidationError as error:
        (fault, *_) = error.errors(include_url=False, include_context=False, include_input=False)
        path = ".".join(["data", *map(str, fault["loc"])])
        raise Unprocessable(f"{path}: {fault['msg'].removeprefix('Value error, ')}") from None


def refusing(is_wrong: Callable[[Any], object], message: str) -> AfterValidator:
    """Refuses a text that is wrong; None is no text, and passes."""

    def validate(value: Any) -> Any:  # noqa: ANN401 - of whatever type it is attached to
        if value is not None and is_wrong(value):
            raise ValueError(message)
        return value

    return AfterValidator(validate)


def _read_milliseconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_MILLISECOND:
        raise ValueError("is not a time in milliseconds")
    return value


def to_instant(value: object) -> datetime:
    """A time in Unix milliseconds, exact to the millisecond. Raises ValueError."""
    value = _read_milliseconds(value)
    return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)


def _to_past(value: object, info: ValidationInfo) -> int:
    at = _read_milliseconds(value)
    as_of: int = now_ms() if info.context is None else info.context
    return at if at <= as_of + SKEW else as_of


def now_ms() -> int:
    return time.time_ns() // 1_000_000


Identifier = Annotated[str, refusing(lambda value: not IDENTIFIER.fullmatch(value), "is not an id")]
# In Python values pydantic lets both pass.
Text = Annotated[
    str | None,
    refusing(UNSTORABLE.search, "has a NUL or half a character"),
    AfterValidator(lambda value: value or None),
]
Milliseconds = Annotated[int, Field(ge=0, le=LAST_MILLISECOND)]
# When something happened: what is newest is told by these. One that lies ahead of Clerk's saying so is a mistake, and
# would win over all that follows: a profile of the year 9999 kept later bans away. It counts as the time of the saying.
Past = Annotated[int, BeforeValidator(_to_past)]
PastInstant = Annotated[datetime, BeforeValidator(lambda value, info: to_instant(_to_past(value, info)))]
Flag = Annotated[bool | None, AfterValidator(bool)]


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _to_json(data: dict[str, Any]) -> str:
    """What PostgreSQL cannot store in a text is replaced: it must not keep the rest of the object from us."""
    try:
        text = _encode(data)
        if "\\u0000" in text or UNSTORABLE.search(text):
            text = _encode(_storable(data))
    except ValueError:
        raise Unprocessable("data holds a number that JSON does not have") from None
    return text


def _storable(value: object) -> object:
    if isinstance(value, str):
        return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_storable(name): _storable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_storable(member) for member in value]
    return value


class ClerkObject(NamedTuple):
    """An object at Clerk as of a time. `updated_at`: Unix milliseconds, never ahead of Clerk's saying so."""

    id: str
    updated_at: int
    data: dict[str, Any]
    json: str

    @classmethod
    def of(cls, identifier: str, updated_at: int, data: dict[str, Any]) -> Self:
        """Raises Unprocessable for a number that JSON does not have."""
        return cls(identifier, updated_at, data, _to_json(data))


class Profile(NamedTuple):
    """What Clerk tells people of a user. The fields are columns of `users`."""

    email: str | None
    email_verified: bool
    username: str | None
    first_name: str | None
    last_name: str | None
    image_url: str | None


class _Verification(Payload):
    status: str | None = None


class _EmailAddress(Payload):
    id: str | None = None
    email_address: str | None = None
    verification: _Verification | None = None


class _PhoneNumber(Payload):
    id: str | None = None
    phone_number: str | None = None
    verification: _Verification | None = None


class ClerkUser(Payload):
    """A Clerk User object: the part that Clerk owns and `users` has. `object`: the whole, as it came."""

    _object: ClerkObject = PrivateAttr()
    clerk_user_id: Identifier = Field(alias="id")
    clerk_updated_at: PastInstant = Field(alias="updated_at")
    primary_email_address_id: str | None = None
    email_addresses: list[_EmailAddress] | None = None
    primary_phone_number_id: str | None = None
    phone_numbers: list[_PhoneNumber] | None = None
    username: Text = None
    first_name: Text = None
    last_name: Text = None
    image_url: Text = None
    external_id: Text = None
    banned: Flag = False
    locked: Flag = False
    deprovisioned: Flag = False

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        """Of those that we keep: whatever is wrong with another one, it must not keep the rest from us."""
        for name, (address, _) in (("email_address", self._email), ("phone_number", self._phone)):
            if address is not None and (len(address) > MAX_EMAIL_LENGTH or UNSTORABLE.search(address)):
                raise ValueError(f"the primary {name} is too long, or has a NUL or half a character")
        return self

    @property
    def object(self) -> ClerkObject:
        return self._object

    @property
    def signed_up_at(self) -> int:
        """When the user was made at Clerk, in Unix milliseconds. Where that cannot be read, long ago."""
        at = self._object.data.get("created_at")
        return at if isinstance(at, int) else 0

    @cached_property
    def columns(self) -> dict[str, Any]:
        """What Clerk owns of a row in `users`."""
        phone, phone_verified = self._phone
        return {
            "clerk_user_id": self.clerk_user_id,
            "clerk_updated_at": self.clerk_updated_at,
            "external_id": self.external_id,
            "banned": self.banned,
            "locked": self.locked,
            "deprovisioned": self.deprovisioned,
            "phone": phone,
            "phone_verified": phone_verified,
            **self.profile._asdict(),
        }

    @cached_property
    def profile(self) -> Profile:
        email, email_verified = self._email
        return Profile(email, email_verified, self.username, self.first_name, self.last_name, self.image_url)

    @cached_property
    def _email(self) -> tuple[str | None, bool]:
        """The primary address, when it is in the list, and whether Clerk verified it."""
        found = ((each, each.email_address) for each in self.email_addresses or ())
        return _find_primary(found, self.primary_email_address_id)

    @cached_property
    def _phone(self) -> tuple[str | None, bool]:
        """As the address."""
        found = ((each, each.phone_number) for each in self.phone_numbers or ())
        return _find_primary(found, self.primary_phone_number_id)


def _find_primary(
    found: Iterable[tuple[_EmailAddress | _PhoneNumber, str | None]], primary_id: str | None
) -> tuple[str | None, bool]:
    for each, address in found:
        if address and each.id is not None and each.id == primary_id:
            return address, each.verification is not None and each.verification.status == "verified"
    return None, False


class SessionStart(Payload):
    """A session that began. `actor`: who is in the user's place. `user`: a copy of the user, where there is one."""

    user_id: Identifier
    created_at: PastInstant
    actor: object = None
    user: object = None


class SessionEnd(Payload):
    """A session that is over, as SessionStart."""

    id: Identifier
    user_id: Identifier
    updated_at: PastInstant
    expire_at: object = None
    actor: object = None
    user: object = None


class Subject(Payload):
    """An object of which only the id matters."""

    id: Identifier


def read_user(data: object, as_of: int | None = None) -> ClerkUser:
    """Read a Clerk User object (webhook `data` or a response of the Backend API). Raises Unprocessable."""
    user = read_payload(ClerkUser, data, as_of)
    updated_at = round(user.clerk_updated_at.timestamp() * 1000)
    user._object = ClerkObject.of(user.clerk_user_id, updated_at, data)  # type: ignore[arg-type]  # noqa: SLF001
    return user
