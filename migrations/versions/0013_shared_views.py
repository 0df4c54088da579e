"""A view that is shared outlives the account of whoever saved it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.alter_column("list_view", "user_id", existing_type=sa.Integer(), nullable=True)
    _refer("SET NULL")
    op.create_check_constraint(op.f("ck_list_view_in_sight"), "list_view", "shared OR user_id IS NOT NULL")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_list_view_in_sight"), "list_view")
    op.execute("DELETE FROM list_view WHERE user_id IS NULL")
    _refer("CASCADE")
    op.alter_column("list_view", "user_id", existing_type=sa.Integer(), nullable=False)


def _refer(on_removal: str) -> None:
    name = op.f("fk_list_view_user_id")
    op.drop_constraint(name, "list_view")
    op.create_foreign_key(name, "list_view", "app_user", ["user_id"], ["id"], ondelete=on_removal)
