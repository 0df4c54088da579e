"""Lists are kept under a name, and held orders are grouped by what holds them."""

import sqlalchemy as sa
from alembic import op

from migrations.row_policies import TENANT, protect

revision = "0012"
down_revision = "0011"

# What the reasons of orders that are held already are about, by cause: the name of a value in the sentence.
ABOUT = {"currency": "currency", "unknown_sku": "sku", "numbers": "range", "no_tax_rate": "country"}


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
    op.add_column("held_order", sa.Column("about", sa.String(), server_default="", nullable=False))
    for cause, value in ABOUT.items():
        op.execute(
            f"UPDATE held_order SET about = coalesce(reason::jsonb #>> '{{values,{value}}}', '') "
            f"WHERE cause = '{cause}' AND reason LIKE '{{\"type\":\"sentence\"%'"
        )
    op.create_index("ix_held_order_group", "held_order", ["tenant_id", "cause", "about", "held_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_held_order_group", table_name="held_order")
    op.drop_column("held_order", "about")
    op.drop_table("list_view")
