"""What the service says of itself, and to its page."""

from pydantic import BaseModel


class IndexOut(BaseModel):
    name: str
    version: str
    links: dict[str, str]


class SiteConfigOut(BaseModel):
    """`publishable_key`: null where Clerk is known by its public key alone, so that nobody can sign in on the page."""

    publishable_key: str | None
    proxy_url: str | None
