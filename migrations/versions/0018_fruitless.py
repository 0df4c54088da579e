"""How often a run was begun since it last got on: one that gets on is not given up for its restarts."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

RUNS = ("run", "action_run", "task_run")


def upgrade() -> None:
    for table in RUNS:
        op.add_column(table, sa.Column("fruitless", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    for table in RUNS:
        op.drop_column(table, "fruitless")
