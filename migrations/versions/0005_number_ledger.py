"""Number ranges may begin anew each year, and every number drawn is in the ledger."""

import sqlalchemy as sa
from alembic import op

from migrations.row_policies import TENANT, protect

revision = "0005"
down_revision = "0004"

TIME = sa.DateTime(timezone=True)
BEARERS = ("document", "address")


def upgrade() -> None:
    op.add_column("number_range", sa.Column("yearly", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "number_year",
        sa.Column("range_id", sa.Integer(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["range_id"], ["number_range.id"], name=op.f("fk_number_year_range_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_number_year_tenant_id")),
        sa.PrimaryKeyConstraint("range_id", "year", name=op.f("pk_number_year")),
    )
    op.create_table(
        "number_skip",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("range_id", sa.Integer(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["range_id"], ["number_range.id"], name=op.f("fk_number_skip_range_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_number_skip_tenant_id")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_number_skip_user_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_skip")),
    )
    op.create_index("ix_number_skip_range", "number_skip", ["tenant_id", "range_id", "first"])
    for table in ("number_year", "number_skip"):
        protect(table, "tenant_id", TENANT)
    for table in BEARERS:
        op.add_column(table, sa.Column("number_range_id", sa.Integer(), nullable=True))
        op.add_column(table, sa.Column("number_year", sa.SmallInteger(), nullable=True))
        op.add_column(table, sa.Column("number_value", sa.BigInteger(), nullable=True))
    _enter("document", "SELECT min(id) FROM number_range WHERE tenant_id = b.tenant_id AND purpose = 'order'")
    _enter("address", "SELECT number_range_id FROM address_status WHERE id = b.status_id")
    for table in BEARERS:
        behind = {"postgresql_include": ["created_at"]}
        op.create_index(
            f"ix_{table}_ledger",
            table,
            ["tenant_id", "number_range_id", "number_value", "id"],
            postgresql_where=sa.text("number_year IS NULL"),
            **behind,
        )
        op.create_index(
            f"ix_{table}_ledger_year",
            table,
            ["tenant_id", "number_range_id", "number_year", "number_value", "id"],
            postgresql_where=sa.text("number_year IS NOT NULL"),
            **behind,
        )


def _enter(table: str, its_range: str) -> None:
    """Enter the numbers that are written as the range writes them today, and lie behind what it gives out next."""
    op.execute(
        f"UPDATE {table} SET number_range_id = drawn.range_id, number_value = drawn.value FROM ("
        "SELECT b.id, r.id AS range_id, r.next_number, CASE WHEN starts_with(b.number, r.prefix) "
        "AND substr(b.number, length(r.prefix) + 1) ~ ('^[0-9]{' || r.digits || '}$') "
        "THEN substr(b.number, length(r.prefix) + 1)::bigint END AS value "
        f"FROM {table} b JOIN number_range r ON r.id = ({its_range})) drawn "
        f"WHERE {table}.id = drawn.id AND drawn.value < drawn.next_number"
    )


def downgrade() -> None:
    for table in BEARERS:
        op.drop_index(f"ix_{table}_ledger_year", table_name=table)
        op.drop_index(f"ix_{table}_ledger", table_name=table)
        for column in ("number_value", "number_year", "number_range_id"):
            op.drop_column(table, column)
    op.drop_table("number_skip")
    op.drop_table("number_year")
    op.drop_column("number_range", "yearly")
