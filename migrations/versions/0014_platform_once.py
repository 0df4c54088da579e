"""That a page's platform is there is checked once for each document, no longer for its customer and his reference."""

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = ("address", "address_reference")


def upgrade() -> None:
    for table in TABLES:
        op.drop_constraint(op.f(f"fk_{table}_platform_id"), table)


def downgrade() -> None:
    for table in TABLES:
        op.create_foreign_key(op.f(f"fk_{table}_platform_id"), table, "platform", ["platform_id"], ["id"])
