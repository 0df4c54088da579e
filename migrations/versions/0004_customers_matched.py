"""Returning customers are known again by a rule; addresses are merged, and merges undone."""

import hashlib
import unicodedata

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_policies import TENANT, protect

revision = "0004"
down_revision = "0003"

TIME = sa.DateTime(timezone=True)
KEYS = ("email_key", "place_key")
AT_ONCE = 10_000


def upgrade() -> None:
    op.add_column(
        "tenant",
        sa.Column(
            "match_rule",
            sa.Enum("reference", "email", "place", name="matchrule", native_enum=False, length=32),
            server_default="reference",
            nullable=False,
        ),
    )
    op.create_table(
        "address_reference",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("buyer_reference", sa.String(), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_address_reference_address_id")),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_address_reference_platform_id")),
        sa.PrimaryKeyConstraint("tenant_id", "platform_id", "buyer_reference", name=op.f("pk_address_reference")),
    )
    op.execute(
        "INSERT INTO address_reference (tenant_id, platform_id, buyer_reference, address_id) "
        "SELECT tenant_id, platform_id, buyer_reference, id FROM address"
    )
    op.create_index("ix_address_reference_address_id", "address_reference", ["address_id"])
    op.drop_index("uq_address_buyer", table_name="address")
    op.drop_column("address", "buyer_reference")
    op.add_column("address", sa.Column("merged_into_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_address_merged_into_id"), "address", "address", ["merged_into_id"], ["id"])
    op.drop_index("uq_address_tenant_id_number", table_name="address")
    op.create_index(
        "uq_address_tenant_id_number",
        "address",
        ["tenant_id", "number"],
        unique=True,
        postgresql_include=["merged_into_id"],
    )
    for key in KEYS:
        op.add_column("address", sa.Column(key, sa.String(), server_default="", nullable=False))
    _fill_keys()
    for key in KEYS:
        op.alter_column("address", key, server_default=None)
        op.create_index(
            f"ix_address_{key}",
            "address",
            ["tenant_id", key, "id"],
            postgresql_where=sa.text(f"merged_into_id IS NULL AND {key} <> ''"),
        )
    op.create_table(
        "address_apart",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("older_id", sa.BigInteger(), nullable=False),
        sa.Column("newer_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["newer_id"], ["address.id"], name=op.f("fk_address_apart_newer_id")),
        sa.ForeignKeyConstraint(["older_id"], ["address.id"], name=op.f("fk_address_apart_older_id")),
        sa.PrimaryKeyConstraint("tenant_id", "older_id", "newer_id", name=op.f("pk_address_apart")),
    )
    op.create_table(
        "address_merge",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("kept_id", sa.BigInteger(), nullable=False),
        sa.Column("merged_id", sa.BigInteger(), nullable=False),
        sa.Column("document_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("buyer_references", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged_by_id", sa.Integer(), nullable=True),
        sa.Column("merged_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("undone_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["kept_id"], ["address.id"], name=op.f("fk_address_merge_kept_id")),
        sa.ForeignKeyConstraint(["merged_id"], ["address.id"], name=op.f("fk_address_merge_merged_id")),
        sa.ForeignKeyConstraint(
            ["merged_by_id"], ["app_user.id"], name=op.f("fk_address_merge_merged_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_merge")),
    )
    op.create_index("ix_address_merge_newest", "address_merge", ["tenant_id", "id"])
    for table in ("address_reference", "address_apart", "address_merge"):
        protect(table, "tenant_id", TENANT)


def _fill_keys() -> None:
    """The keys of the addresses that are there, as portal/addresses/matching.py makes them."""
    connection, last = op.get_bind(), 0
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT id, email, name, postal_code, street FROM address WHERE id > :last ORDER BY id LIMIT :most"
            ),
            {"last": last, "most": AT_ONCE},
        ).all()
        if not rows:
            return
        connection.execute(
            sa.text(
                "UPDATE address a SET email_key = k.email_key, place_key = k.place_key "
                "FROM unnest(CAST(:ids AS bigint[]), CAST(:emails AS text[]), CAST(:places AS text[])) "
                "AS k(id, email_key, place_key) WHERE a.id = k.id"
            ),
            {
                "ids": [row.id for row in rows],
                "emails": [_folded(row.email)[:254] for row in rows],
                "places": [_place_key(row.name, row.postal_code, row.street) for row in rows],
            },
        )
        last = rows[-1].id


def _place_key(*parts: str) -> str:
    folded = [_folded(part) for part in parts]
    return hashlib.sha256("\n".join(folded).encode()).hexdigest()[:32] if all(folded) else ""


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def downgrade() -> None:
    op.drop_table("address_merge")
    op.drop_table("address_apart")
    for key in KEYS:
        op.drop_index(f"ix_address_{key}", table_name="address")
        op.drop_column("address", key)
    op.drop_constraint(op.f("fk_address_merged_into_id"), "address", type_="foreignkey")
    op.drop_index("uq_address_tenant_id_number", table_name="address")
    op.create_index("uq_address_tenant_id_number", "address", ["tenant_id", "number"], unique=True)
    op.drop_column("address", "merged_into_id")
    op.add_column("address", sa.Column("buyer_reference", sa.String(), nullable=True))
    # An address has one reference again, of the platform it came from first.
    op.execute(
        "UPDATE address a SET buyer_reference = coalesce((SELECT min(r.buyer_reference) FROM address_reference r "
        "WHERE r.tenant_id = a.tenant_id AND r.address_id = a.id AND r.platform_id = a.platform_id), 'address:' || id)"
    )
    op.alter_column("address", "buyer_reference", nullable=False)
    op.create_index("uq_address_buyer", "address", ["tenant_id", "platform_id", "buyer_reference"], unique=True)
    op.drop_table("address_reference")
    op.drop_column("tenant", "match_rule")
