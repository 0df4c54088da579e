"""A document knows that its order was cancelled though shipping had begun: without its parcels it is cancelled too.

And messages that were accepted and never shown rested for ever; they are looked for once more, and fail now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("document", sa.Column("withdrawn", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("UPDATE cloud_status_message SET next_try_at = now() WHERE state = 'sent' AND next_try_at IS NULL")


def downgrade() -> None:
    op.drop_column("document", "withdrawn")
