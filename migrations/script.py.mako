"""${message}

A revision is frozen history: literal text only, nothing imported from the models.
On a live table: NOT NULL columns with a constant default, CHECK as NOT VALID and then VALIDATE, indexes
CONCURRENTLY; the last two inside `without_blocking()`. It commits what comes before it, and a retry starts
from the top, so write the statements before it as IF [NOT] EXISTS. A view that reads a column which changes is dropped
before, and made anew in the same transaction.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
