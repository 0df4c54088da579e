"""Number ranges have an end, address statuses a category."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("number_range", sa.Column("last_number", sa.BigInteger(), nullable=True))
    # Until now a range went on beyond its digits; one that did has run out.
    op.execute("UPDATE number_range SET last_number = power(10::numeric, digits)::bigint - 1")
    op.alter_column("number_range", "last_number", nullable=False)
    op.add_column("address_status", sa.Column("category", sa.String(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("address_status", "category")
    op.drop_column("number_range", "last_number")
