from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, MetaData, Table, create_engine, make_url, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import NAMING_CONVENTION, PERSONAL, Base
from backend.models.user import User


class Specimen(Base):
    """A specimen of one user."""

    __tablename__ = "specimens"
    __table_args__ = (Index(None, "user_id", "specimen_id"), {"comment": "What users keep as specimens."})
    # Not in the database of the application, but for this line.
    metadata = MetaData(naming_convention=NAMING_CONVENTION)

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


def create_table(database_url: str) -> None:
    """In place of a migration: unless it is there."""
    table = Specimen.__table__
    assert isinstance(table, Table)
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg2"))
    table.create(engine, checkfirst=True)
    engine.dispose()
