"""Users as the password era had them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column(
            "user_id",
            sa.BigInteger,
            sa.Identity(always=False),
            nullable=False,
            comment="Internal id; stable for ever, what other tables refer to",
        ),
        sa.Column("email", sa.Text, nullable=False, comment="Address the user signs in with"),
        sa.Column(
            "email_verified",
            sa.Boolean,
            server_default=sa.text("false"),
            nullable=False,
            comment="The user opened the link sent to the address",
        ),
        sa.Column("password_hash", sa.Text, nullable=False, comment="Salted hash, never the password"),
        sa.Column("first_name", sa.Text),
        sa.Column("last_name", sa.Text),
        sa.Column(
            "role",
            sa.Text,
            server_default=sa.text("'user'"),
            nullable=False,
            comment="user, developer or admin; ours alone",
        ),
        sa.Column(
            "is_active",
            sa.Boolean,
            server_default=sa.text("true"),
            nullable=False,
            comment="False: an admin of this application switched the user off",
        ),
        sa.Column("bio", sa.Text),
        sa.Column("website", sa.Text),
        sa.Column("social_links", JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), comment="Newest sign-in"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="Last change of this row",
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.CheckConstraint("role IN ('user', 'developer', 'admin')", name=op.f("ck_users_role")),
        comment="Users, with their passwords.",
    )
    op.create_table(
        "jwt_blacklist",
        sa.Column("jti", sa.Text, nullable=False, comment="The jti claim of a token that was logged out"),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="End of the token's life; may be purged from here on",
        ),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_jwt_blacklist")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_jwt_blacklist_user_id_users"), ondelete="CASCADE"
        ),
        comment="Tokens that are refused although they have not expired.",
    )


def downgrade() -> None:
    op.drop_table("jwt_blacklist")
    op.drop_table("users")
