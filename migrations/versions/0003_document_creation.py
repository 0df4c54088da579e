"""What a merchant decides about documents: payment and shipping, articles, taxes, and each platform's settings."""

import sqlalchemy as sa
from alembic import op

from migrations.row_policies import TENANT, protect

revision = "0003"
down_revision = "0002"

CHOICES = {"payment_method": "Marketplace", "payment_terms": "Paid at the marketplace", "shipping_method": "Standard"}
TABLES = (
    *CHOICES,
    "article",
    "tax_code",
    "tax_rate",
    "tax_settings",
    "remote_value",
    "article_assignment",
    "platform_address",
)
PLATFORM = {
    "payment_terms_id": sa.ForeignKey("payment_terms.id", name="fk_platform_payment_terms_id"),
    "payment_method_id": sa.ForeignKey("payment_method.id", name="fk_platform_payment_method_id"),
    "shipping_method_id": sa.ForeignKey("shipping_method.id", name="fk_platform_shipping_method_id"),
    "guest_status_id": sa.ForeignKey("address_status.id", name="fk_platform_guest_status_id"),
}
TEXTS = {
    "discount_article": "DISCOUNT",
    "gift_wrap_article": "GIFTWRAP",
    "other_article": "OTHER",
    "sku_prefix": "",
}


def one_of(*values: str) -> sa.Enum:
    return sa.Enum(*values, native_enum=False, length=32, create_constraint=False)


ARTICLE_RULE = one_of("same", "strip_prefix", "table")
UNKNOWN_SKU = one_of("free_text", "hold")
TAX_CLASS = one_of("standard", "reduced", "second_reduced", "zero")
REMOTE_KIND = one_of("payment", "shipping")
ADDRESS_ROLE = one_of("collective", "marketplace")


def upgrade() -> None:
    for table in CHOICES:
        op.create_table(
            table,
            sa.Column("id", sa.Integer(), nullable=False),
            owner(table),
            sa.Column("name", sa.String(), nullable=False),
            sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
            sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        )
        op.create_index(f"uq_{table}_tenant_id_name", table, ["tenant_id", "name"], unique=True)
    op.create_table(
        "article",
        sa.Column("id", sa.BigInteger(), nullable=False),
        owner("article"),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("title", sa.String(), server_default="", nullable=False),
        sa.Column("tax_class", TAX_CLASS, server_default="standard", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_article"),
    )
    op.create_index("uq_article_tenant_id_number", "article", ["tenant_id", "number"], unique=True)
    op.create_table(
        "tax_code",
        sa.Column("id", sa.Integer(), nullable=False),
        owner("tax_code"),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), server_default="", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tax_code"),
    )
    op.create_index("uq_tax_code_tenant_id_code", "tax_code", ["tenant_id", "code"], unique=True)
    op.create_table(
        "tax_rate",
        sa.Column("id", sa.Integer(), nullable=False),
        owner("tax_rate"),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("tax_class", TAX_CLASS, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("rate", sa.Numeric(), nullable=False),
        refers("tax_rate", "tax_code_id", "tax_code", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tax_rate"),
    )
    op.create_index("uq_tax_rate", "tax_rate", ["tenant_id", "country", "tax_class", "valid_from"], unique=True)
    op.create_table(
        "tax_settings",
        owner("tax_settings"),
        sa.Column("home_country", sa.String(), server_default="", nullable=False),
        sa.Column("one_stop_shop", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        refers("tax_settings", "reverse_charge_code_id", "tax_code"),
        refers("tax_settings", "export_code_id", "tax_code"),
        refers("tax_settings", "collected_code_id", "tax_code"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tax_settings"),
    )
    op.create_table(
        "remote_value",
        sa.Column("id", sa.Integer(), nullable=False),
        owner("remote_value"),
        refers("remote_value", "platform_id", "platform", nullable=False),
        sa.Column("kind", REMOTE_KIND, nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        refers("remote_value", "payment_method_id", "payment_method"),
        refers("remote_value", "shipping_method_id", "shipping_method"),
        sa.Column("is_new", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("order_id", sa.String(), server_default="", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_remote_value"),
    )
    op.create_index("uq_remote_value", "remote_value", ["tenant_id", "platform_id", "kind", "value"], unique=True)
    op.create_table(
        "article_assignment",
        refers("article_assignment", "platform_id", "platform", nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        owner("article_assignment"),
        refers("article_assignment", "article_id", "article", kind=sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("platform_id", "sku", name="pk_article_assignment"),
    )
    op.create_index("ix_article_assignment_article_id", "article_assignment", ["article_id"])
    op.create_index("ix_article_assignment_list", "article_assignment", ["tenant_id", "platform_id", "sku"])
    op.create_table(
        "platform_address",
        refers("platform_address", "platform_id", "platform", nullable=False),
        sa.Column("role", ADDRESS_ROLE, nullable=False),
        owner("platform_address"),
        refers("platform_address", "address_id", "address", kind=sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("platform_id", "role", name="pk_platform_address"),
    )
    op.create_index("ix_platform_address_address_id", "platform_address", ["address_id"])
    for table in TABLES:
        protect(table, "tenant_id", TENANT)

    for column, key in PLATFORM.items():
        op.add_column("platform", sa.Column(column, sa.Integer(), key, nullable=True))
    for column, value in TEXTS.items():
        op.add_column("platform", sa.Column(column, sa.String(), server_default=value, nullable=False))
    op.add_column("platform", sa.Column("article_rule", ARTICLE_RULE, server_default="same", nullable=False))
    op.add_column("platform", sa.Column("unknown_sku", UNKNOWN_SKU, server_default="free_text", nullable=False))
    op.add_column("address_status", refers("address_status", "payment_terms_id", "payment_terms"))
    for column in ("tax_case", "payment_kind", "shipping_level"):
        op.add_column("document", sa.Column(column, sa.String(), server_default="", nullable=False))
    op.add_column("document", sa.Column("tax", sa.Numeric(), nullable=True))
    for column in ("payment_terms_id", "payment_method_id", "shipping_method_id"):
        op.add_column("document", sa.Column(column, sa.Integer(), nullable=True))
    op.add_column("document_line", sa.Column("tax_code", sa.String(), server_default="", nullable=False))
    op.add_column("document_line", sa.Column("tax_rate", sa.Numeric(), nullable=True))
    op.add_column("document_line", sa.Column("tax", sa.Numeric(), nullable=True))

    # Tenants that are there already get what a new one finds, so that their fetches go on.
    for table, name in CHOICES.items():
        op.execute(f"INSERT INTO {table} (tenant_id, name) SELECT id, '{name}' FROM tenant")
        op.execute(f"UPDATE platform p SET {table}_id = c.id FROM {table} c WHERE c.tenant_id = p.tenant_id")
    op.execute("INSERT INTO tax_settings (tenant_id) SELECT id FROM tenant")


def downgrade() -> None:
    for column in ("tax_code", "tax_rate", "tax"):
        op.drop_column("document_line", column)
    for column in (
        *("tax_case", "payment_kind", "shipping_level", "tax"),
        *("payment_terms_id", "payment_method_id", "shipping_method_id"),
    ):
        op.drop_column("document", column)
    op.drop_column("address_status", "payment_terms_id")
    for column in (*PLATFORM, *TEXTS, "article_rule", "unknown_sku"):
        op.drop_column("platform", column)
    for table in reversed(TABLES):
        op.drop_table(table)


def owner(table: str) -> sa.Column[int]:
    return refers(table, "tenant_id", "tenant", nullable=False)


def refers(
    table: str, column: str, to: str, kind: sa.types.TypeEngine[int] | None = None, nullable: bool = True
) -> sa.Column[int]:
    key = sa.ForeignKey(f"{to}.id", name=f"fk_{table}_{column}")
    return sa.Column(column, kind or sa.Integer(), key, nullable=nullable)
