"""A user's sessions that were signed out, since a copy of their cookie would open the portal still."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("app_user", sa.Column("ended_sessions", JSONB(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("app_user", "ended_sessions")
