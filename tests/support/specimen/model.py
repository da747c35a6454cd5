from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import PERSONAL
from backend.models.user import User
from tests.support.specimen.base import Base


class Specimen(Base):
    """A specimen of one user."""

    __tablename__ = "specimens"
    __table_args__ = (Index(None, "user_id", "specimen_id"), {"comment": "The specimens of users."})

    specimen_id: Mapped[int] = mapped_column(Identity(always=False), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey(User.user_id, ondelete="CASCADE"), comment="The owner; nobody else sees it"
    )
    name: Mapped[str] = mapped_column(info=PERSONAL, comment="One line, at most 100 characters")
    description: Mapped[str | None] = mapped_column(info=PERSONAL, comment="At most 5,000 characters, with line breaks")
    version: Mapped[int] = mapped_column(
        server_default=text("1"), comment="Goes up with each change; the ETag of the API"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
