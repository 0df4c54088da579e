"""A user's sessions know how often a password was set before them: they end with the next one."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("app_user", sa.Column("passwords_set", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("app_user", "passwords_set")
