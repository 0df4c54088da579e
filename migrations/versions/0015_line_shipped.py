"""A line knows how many of its pieces the marketplace says were shipped."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("document_line", sa.Column("shipped", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("document_line", "shipped")
