"""Specimens of users.

Only a new table: nothing waits for this. A downgrade drops all specimens.
"""

import sqlalchemy as sa
from alembic import op

revision = "NEXT"
down_revision = "HEAD"

CLOCK = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "specimens",
        sa.Column("specimen_id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False, comment="The owner; nobody else sees it"),
        sa.Column("name", sa.Text, nullable=False, comment="One line, at most 100 characters"),
        sa.Column("description", sa.Text, comment="At most 5,000 characters, with line breaks"),
        sa.Column(
            "version",
            sa.BigInteger,
            server_default=sa.text("1"),
            nullable=False,
            comment="Goes up with each change; the ETag of the API",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=CLOCK, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=CLOCK, nullable=False),
        sa.PrimaryKeyConstraint("specimen_id", name=op.f("pk_specimens")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_specimens_user_id_users"), ondelete="CASCADE"
        ),
        comment="The specimens of users.",
    )
    op.create_index("ix_specimens_user_id_specimen_id", "specimens", ["user_id", "specimen_id"])


def downgrade() -> None:
    op.drop_table("specimens")
