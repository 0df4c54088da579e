"""Each user chooses the columns of his lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_policies import TENANT, protect

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "list_columns",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("shown", postgresql.ARRAY(sa.String()), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_list_columns_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_list_columns_tenant_id")),
        sa.PrimaryKeyConstraint("user_id", "endpoint", name=op.f("pk_list_columns")),
    )
    protect("list_columns", "tenant_id", TENANT)


def downgrade() -> None:
    op.drop_table("list_columns")
