"""Lists are kept under a name, and held orders are grouped by what holds them."""

import sqlalchemy as sa
from alembic import op

from migrations.row_policies import TENANT, protect

revision = "0010"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "list_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_list_view_tenant_id")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_list_view_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_view")),
    )
    op.create_index("uq_list_view_name", "list_view", ["user_id", "path", sa.text("lower(name)")], unique=True)
    op.create_index("ix_list_view_path", "list_view", ["tenant_id", "path"])
    protect("list_view", "tenant_id", TENANT)


def downgrade() -> None:
    op.drop_table("list_view")
