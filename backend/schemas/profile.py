"""The profile fields that users change themselves."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from backend.schemas.base import AtLeastOne
from backend.schemas.fields import Text

# The characters of RFC 3986. Of the authority only host and port: no user name, no password, and no backslash, behind
# which a browser would see another host than we do.
AFTER_SCHEME = (
    r"://[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]{1,5})?"
    r"([/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?$"
)


class Network(StrEnum):
    BLUESKY = "bluesky"
    DISCORD = "discord"
    FACEBOOK = "facebook"
    GITHUB = "github"
    GITLAB = "gitlab"
    INSTAGRAM = "instagram"
    LINKEDIN = "linkedin"
    MASTODON = "mastodon"
    THREADS = "threads"
    TIKTOK = "tiktok"
    TWITCH = "twitch"
    X = "x"
    YOUTUBE = "youtube"


def _check_port(url: str) -> str:
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError("has a port that does not exist") from None
    return url


def _check_networks(links: object) -> object:
    """Before pydantic looks: it would repeat an unknown name in the path of the error."""
    if isinstance(links, dict) and not links.keys() <= set(Network):
        raise ValueError(f"has a network that is not known. Known: {', '.join(Network)}")
    return links


Bio = Annotated[Text, StringConstraints(min_length=1, max_length=2_000)]
Website = Annotated[
    str, StringConstraints(max_length=500, pattern=rf"^https?{AFTER_SCHEME}"), AfterValidator(_check_port)
]
Link = Annotated[str, StringConstraints(max_length=300, pattern=rf"^https{AFTER_SCHEME}"), AfterValidator(_check_port)]
Links = Annotated[
    dict[str, Link],
    Field(max_length=10, json_schema_extra={"propertyNames": {"enum": list(Network)}}),
    BeforeValidator(_check_networks),
]


class ProfileIn(AtLeastOne):
    """At least one member; null clears it. Texts are stored as they are: whoever shows them escapes them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"bio": "I count things."}]})

    bio: Bio | None = None
    website: Website | None = None
    social_links: Links | None = None

    @property
    def changes(self) -> dict[str, object]:
        """What was sent. No links are an empty object in the database."""
        sent: dict[str, object] = {name: getattr(self, name) for name in self.model_fields_set}
        if self.social_links is None and "social_links" in sent:
            sent["social_links"] = {}
        return sent
