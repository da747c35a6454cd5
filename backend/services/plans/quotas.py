"""What is said when a plan has no more room."""

from datetime import datetime

from backend.errors import AppError, ErrorCode


def quota_exceeded(detail: str, *, limit: int, used: int, resets_at: datetime | None = None) -> AppError:
    """The 402. `resets_at`: when there is room again by itself; None for what only deleting or a larger plan helps."""
    members = {
        "limit": limit,
        "used": used,
        "remaining": max(0, limit - used),
        "resets_at": None if resets_at is None else f"{resets_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return AppError(ErrorCode.QUOTA_EXCEEDED, detail, members=members)
