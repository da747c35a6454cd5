"""What an API key may be used for."""

from enum import StrEnum


class Scope(StrEnum):
    PROFILE_READ = "profile:read"
    PROFILE_WRITE = "profile:write"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    TOKENS_READ = "tokens:read"
    TOKENS_SPEND = "tokens:spend"
