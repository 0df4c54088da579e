"""first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_policies import ACCOUNT, TENANT, look_past, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
TENANT_TABLES = (
    "app_user",
    "carrier",
    "credential",
    "number_range",
    "address_status",
    "sign_in_link",
    "platform",
    "address",
    "held_order",
    "intake_page",
    "run",
    "document",
    "document_line",
    "receipt",
    "shipment",
    "shipment_item",
)
ACCOUNT_TABLES = (
    "cloud_event",
    "cloud_platform",
    "cloud_token",
    "cloud_collection",
    "cloud_consent",
    "cloud_order",
    "cloud_status_message",
)
FUNCTIONS = (
    "portal_has_tenants",
    "portal_find_user",
    "portal_find_sign_in_link",
    "portal_find_credential",
    "portal_tenant_ids",
    "portal_claim_fetches",
    "portal_claim_shipments",
    "portal_unfinished_runs",
    "cloud_find_account",
    "cloud_find_token",
    "cloud_find_consent",
    "cloud_account_ids",
    "cloud_claim_platforms",
    "cloud_claim_messages",
    "cloud_claim_events",
    "cloud_forget",
)


def upgrade() -> None:
    op.create_table(
        "cloud_account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("client_secret_hash", sa.String(), nullable=False),
        sa.Column("webhook_url", sa.String(), nullable=True),
        sa.Column("webhook_secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_account")),
        sa.UniqueConstraint("client_id", name=op.f("uq_cloud_account_client_id")),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("customer_number", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), server_default="Europe/Berlin", nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("customer_number", name=op.f("uq_tenant_customer_number")),
    )
    op.create_table(
        "app_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column(
            "role",
            sa.Enum("clerk", "admin", "operator", name="role", native_enum=False, length=32),
            server_default="clerk",
            nullable=False,
        ),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_app_user_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
    )
    op.create_index(op.f("ix_app_user_tenant_id"), "app_user", ["tenant_id"], unique=False)
    op.create_index("uq_app_user_email", "app_user", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "carrier",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("marketplace_code", sa.String(), nullable=False),
        sa.Column("marketplace_name", sa.String(), nullable=False),
        sa.Column("shipping_method", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_carrier_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carrier")),
    )
    op.create_index("uq_carrier_tenant_id_name", "carrier", ["tenant_id", "name"], unique=True)
    op.create_table(
        "cloud_event",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", TIME, nullable=True),
        sa.Column("delivered_at", TIME, nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["cloud_account.id"], name=op.f("fk_cloud_event_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_event")),
    )
    op.create_index(op.f("ix_cloud_event_next_try_at"), "cloud_event", ["next_try_at"], unique=False)
    op.create_table(
        "cloud_platform",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("marketplaces", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "connection",
            sa.Enum(
                "not_authenticated",
                "authenticated",
                "revoked",
                name="connectionstate",
                native_enum=False,
                length=32,
            ),
            server_default="not_authenticated",
            nullable=False,
        ),
        sa.Column("connection_problem", sa.String(), nullable=True),
        sa.Column("seller_id", sa.String(), nullable=True),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("authorized_at", TIME, nullable=True),
        sa.Column("watermark", TIME, nullable=True),
        sa.Column("window_from", TIME, nullable=True),
        sa.Column("window_to", TIME, nullable=True),
        sa.Column("next_token", sa.String(), nullable=True),
        sa.Column("next_page", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("next_collect_at", TIME, nullable=True),
        sa.Column("collected_at", TIME, nullable=True),
        sa.Column("collect_problem", sa.String(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["cloud_account.id"], name=op.f("fk_cloud_platform_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_platform")),
        sa.UniqueConstraint("reference", name=op.f("uq_cloud_platform_reference")),
    )
    op.create_index("ix_cloud_platform_next_collect_at", "cloud_platform", ["next_collect_at"], unique=False)
    op.create_index("uq_cloud_platform_account_id_name_key", "cloud_platform", ["account_id", "name_key"], unique=True)
    op.create_table(
        "cloud_token",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["cloud_account.id"], name=op.f("fk_cloud_token_account_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_cloud_token")),
    )
    op.create_index(op.f("ix_cloud_token_expires_at"), "cloud_token", ["expires_at"], unique=False)
    op.create_table(
        "credential",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Enum("cloud", name="kind", native_enum=False, length=32), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), server_default="", nullable=False),
        sa.Column("webhook_secret", sa.LargeBinary(), nullable=True),
        sa.Column("tested_at", TIME, nullable=True),
        sa.Column("test_problem", sa.String(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_credential_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
    )
    op.create_index("uq_credential_tenant_id_name", "credential", ["tenant_id", "name"], unique=True)
    op.create_table(
        "number_range",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("order", "address", name="purpose", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), server_default="", nullable=False),
        sa.Column("digits", sa.Integer(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_number_range_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_range")),
    )
    op.create_index(op.f("ix_number_range_tenant_id"), "number_range", ["tenant_id"], unique=False)
    op.create_table(
        "address_status",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("number_range_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number_range_id"], ["number_range.id"], name=op.f("fk_address_status_number_range_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_address_status_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_status")),
    )
    op.create_index("uq_address_status_tenant_id_name", "address_status", ["tenant_id", "name"], unique=True)
    op.create_table(
        "cloud_collection",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("window_from", TIME, nullable=True),
        sa.Column("window_to", TIME, nullable=True),
        sa.Column("collected_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["cloud_platform.id"],
            name=op.f("fk_cloud_collection_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_collection")),
    )
    op.create_table(
        "cloud_consent",
        sa.Column("state_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("return_url", sa.String(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["cloud_account.id"], name=op.f("fk_cloud_consent_account_id")),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["cloud_platform.id"],
            name=op.f("fk_cloud_consent_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_cloud_consent")),
    )
    op.create_table(
        "cloud_order",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("version", TIME, nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "delivered",
                "pending",
                "cancelled",
                "filtered",
                name="inboxstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("delivered_version", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["cloud_platform.id"],
            name=op.f("fk_cloud_order_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_order")),
    )
    op.create_index(
        "ix_cloud_order_waiting",
        "cloud_order",
        ["platform_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("uq_cloud_order", "cloud_order", ["platform_id", "order_id"], unique=True)
    op.create_table(
        "cloud_status_message",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "sent", "confirmed", "failed", name="outboxstate", native_enum=False, length=32),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tried_at", TIME, nullable=True),
        sa.Column("next_try_at", TIME, nullable=True),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("confirmed_at", TIME, nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["cloud_platform.id"],
            name=op.f("fk_cloud_status_message_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_status_message")),
    )
    op.create_index(
        "ix_cloud_status_message_due",
        "cloud_status_message",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'sent')"),
    )
    op.create_index("uq_cloud_status_message_key", "cloud_status_message", ["account_id", "key"], unique=True)
    op.create_table(
        "sign_in_link",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_sign_in_link_tenant_id")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_sign_in_link_user_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_link")),
    )
    op.create_table(
        "platform",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), server_default="amazon", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("marketplaces", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column(
            "connection",
            sa.Enum(
                "not_authenticated",
                "authenticated",
                "revoked",
                name="connection",
                native_enum=False,
                length=32,
            ),
            server_default="not_authenticated",
            nullable=False,
        ),
        sa.Column("connection_problem", sa.String(), nullable=True),
        sa.Column("seller_id", sa.String(), nullable=True),
        sa.Column("authorized_at", TIME, nullable=True),
        sa.Column("freight_article", sa.String(), server_default="FREIGHT", nullable=False),
        sa.Column("address_status_id", sa.Integer(), nullable=False),
        sa.Column("next_fetch_at", TIME, nullable=True),
        sa.Column("last_fetch_at", TIME, nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["address_status_id"], ["address_status.id"], name=op.f("fk_platform_address_status_id")
        ),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name=op.f("fk_platform_credential_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_platform_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform")),
    )
    op.create_index("uq_platform_tenant_id_name_key", "platform", ["tenant_id", "name_key"], unique=True)
    op.create_index("uq_platform_tenant_id_number", "platform", ["tenant_id", "number"], unique=True)
    op.create_table(
        "address",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("status_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("buyer_reference", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("company", sa.String(), nullable=False),
        sa.Column("street", sa.String(), nullable=False),
        sa.Column("street2", sa.String(), nullable=False),
        sa.Column("street3", sa.String(), nullable=False),
        sa.Column("postal_code", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("vat_id", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("surname_key", sa.String(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_address_platform_id")),
        sa.ForeignKeyConstraint(["status_id"], ["address_status.id"], name=op.f("fk_address_status_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address")),
    )
    op.create_index("ix_address_tenant_id_name_key", "address", ["tenant_id", "name_key", "id"], unique=False)
    op.create_index("ix_address_tenant_id_surname_key", "address", ["tenant_id", "surname_key"], unique=False)
    op.create_index("uq_address_buyer", "address", ["tenant_id", "platform_id", "buyer_reference"], unique=True)
    op.create_index("uq_address_tenant_id_number", "address", ["tenant_id", "number"], unique=True)
    op.create_table(
        "held_order",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("version", TIME, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("component", sa.String(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("collection", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("held_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_held_order_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_order")),
    )
    op.create_index("ix_held_order_newest", "held_order", ["tenant_id", "held_at", "id"], unique=False)
    op.create_index("ix_held_order_order_id", "held_order", ["tenant_id", "order_id"], unique=False)
    op.create_index("uq_held_order", "held_order", ["tenant_id", "platform_id", "order_id"], unique=True)
    op.create_table(
        "intake_page",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("collections", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("written_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_intake_page_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake_page")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), server_default="fetch", nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "running", "done", "failed", name="runstate", native_enum=False, length=32),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("expected", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("orders", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("repeated", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("again", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("queued_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_run_platform_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_run_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index("ix_run_newest", "run", ["tenant_id", "id"], unique=False)
    op.create_index("ix_run_platform_id", "run", ["platform_id", "id"], unique=False)
    op.create_index(
        "uq_run_in_flight",
        "run",
        ["tenant_id", "platform_id", "kind"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "document",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Enum("order", name="documenttype", native_enum=False, length=32), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("sales_channel", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "partly_shipped", "shipped", "cancelled", name="state", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("fulfilled_by", sa.String(), nullable=False),
        sa.Column("ordered_at", TIME, nullable=False),
        sa.Column("document_date", sa.Date(), nullable=False),
        sa.Column("ship_by", TIME, nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.Column("delivery", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("purchase_order", sa.String(), nullable=False),
        sa.Column("programs", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("replaces", sa.String(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("version", TIME, nullable=False),
        sa.Column("notice", sa.String(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_document_address_id")),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_document_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
    )
    op.create_index("ix_document_address", "document", ["tenant_id", "address_id", "ordered_at", "id"], unique=False)
    op.create_index(
        "ix_document_filters",
        "document",
        ["tenant_id", "state", "platform_id", "fulfilled_by", "ordered_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_document_filters_number",
        "document",
        ["tenant_id", "state", "platform_id", "fulfilled_by", "number"],
        unique=False,
    )
    op.create_index("ix_document_newest", "document", ["tenant_id", "ordered_at", "id"], unique=False)
    op.create_index(
        "ix_document_to_ship",
        "document",
        [
            "tenant_id",
            "platform_id",
            sa.literal_column("COALESCE(ship_by, '9999-12-31 00:00:00+00'::timestamptz)"),
            "id",
        ],
        unique=False,
        postgresql_where=sa.text("state IN ('open', 'partly_shipped') AND fulfilled_by = 'merchant'"),
        postgresql_include=["ship_by"],
    )
    op.create_index("uq_document_order", "document", ["tenant_id", "platform_id", "order_id", "type"], unique=True)
    op.create_index("uq_document_tenant_id_number", "document", ["tenant_id", "number"], unique=True)
    op.create_table(
        "document_line",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "article",
                "freight",
                "gift_wrap",
                "discount",
                "other",
                name="linekind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("article_number", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_document_line_document_id")),
        sa.PrimaryKeyConstraint("document_id", "position", name=op.f("pk_document_line")),
    )
    op.create_table(
        "receipt",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("version", TIME, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(), nullable=False),
        sa.Column("page_id", sa.BigInteger(), nullable=False),
        sa.Column("collection", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_receipt_document_id")),
        sa.PrimaryKeyConstraint("document_id", "version", name=op.f("pk_receipt")),
    )
    op.create_table(
        "shipment",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("package_reference", sa.Integer(), nullable=False),
        sa.Column("carrier_id", sa.Integer(), nullable=False),
        sa.Column("tracking_number", sa.String(), nullable=False),
        sa.Column("shipped_at", TIME, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "sent", "confirmed", "failed", name="messagestate", native_enum=False, length=32),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_check_at", TIME, nullable=True),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("confirmed_at", TIME, nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["carrier_id"], ["carrier.id"], name=op.f("fk_shipment_carrier_id")),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_shipment_document_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipment")),
    )
    op.create_index("ix_shipment_state", "shipment", ["tenant_id", "state", "id"], unique=False)
    op.create_index("ix_shipment_tracking_number", "shipment", ["tenant_id", "tracking_number"], unique=False)
    op.create_index(
        "ix_shipment_unconfirmed",
        "shipment",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'sent')"),
    )
    op.create_index("uq_shipment_package", "shipment", ["tenant_id", "document_id", "package_reference"], unique=True)
    op.create_index("uq_shipment_tracking", "shipment", ["tenant_id", "document_id", "tracking_number"], unique=True)
    op.create_table(
        "shipment_item",
        sa.Column("shipment_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_shipment_item_quantity")),
        sa.ForeignKeyConstraint(
            ["document_id", "position"],
            ["document_line.document_id", "document_line.position"],
            name=op.f("fk_shipment_item_document_id_position"),
        ),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_shipment_item_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "position", name=op.f("pk_shipment_item")),
    )
    for table in TENANT_TABLES:
        protect(table, "tenant_id", TENANT)
    protect("tenant", "id", TENANT)
    for table in ACCOUNT_TABLES:
        protect(table, "account_id", ACCOUNT)
    protect("cloud_account", "id", ACCOUNT)
    _create_functions()


def _create_functions() -> None:
    # Sign-in: whose row to look at, before any tenant is in scope.
    look_past("portal_has_tenants()", "boolean", "SELECT EXISTS (SELECT FROM tenant)")
    look_past(
        "portal_find_user(wanted text)",
        "TABLE (tenant_id int, user_id int)",
        "SELECT tenant_id, id FROM app_user WHERE lower(email) = lower(wanted)",
    )
    look_past(
        "portal_find_sign_in_link(wanted text)",
        "int",
        "SELECT tenant_id FROM sign_in_link WHERE token_hash = wanted",
    )
    look_past("portal_find_credential(wanted int)", "int", "SELECT tenant_id FROM credential WHERE id = wanted")
    look_past("portal_tenant_ids()", "SETOF int", "SELECT id FROM tenant ORDER BY id")
    # Scheduler: claim what is due, so that two schedulers never start the same thing.
    look_past(
        "portal_claim_fetches(pause interval, most int)",
        "TABLE (tenant_id int, platform_id int)",
        """
        UPDATE platform SET next_fetch_at = now() + pause WHERE id IN (
            SELECT id FROM platform
            WHERE next_fetch_at <= now() AND active AND connection = 'authenticated'
            ORDER BY next_fetch_at LIMIT most FOR UPDATE SKIP LOCKED
        ) RETURNING tenant_id, id""",
        "VOLATILE",
    )
    look_past(
        "portal_claim_shipments(pause interval, most int)",
        "TABLE (tenant_id int, shipment_id bigint)",
        """
        UPDATE shipment SET next_check_at = now() + pause WHERE id IN (
            SELECT id FROM shipment
            WHERE next_check_at <= now() AND state IN ('queued', 'sent')
            ORDER BY next_check_at LIMIT most FOR UPDATE SKIP LOCKED
        ) RETURNING tenant_id, id""",
        "VOLATILE",
    )
    look_past(
        "portal_unfinished_runs(older_than interval)",
        "TABLE (tenant_id int, run_id bigint)",
        """
        SELECT tenant_id, id FROM run
        WHERE state IN ('queued', 'running') AND coalesce(started_at, queued_at) < now() - older_than""",
    )
    # The cloud: whose account it is, before any account is in scope.
    look_past("cloud_find_account(wanted text)", "int", "SELECT id FROM cloud_account WHERE client_id = wanted")
    look_past("cloud_find_token(wanted text)", "int", "SELECT account_id FROM cloud_token WHERE token_hash = wanted")
    look_past(
        "cloud_find_consent(wanted text)",
        "int",
        "SELECT account_id FROM cloud_consent WHERE state_hash = wanted",
    )
    look_past("cloud_account_ids()", "SETOF int", "SELECT id FROM cloud_account ORDER BY id")
    for what, table, due, wanted in (
        ("platforms", "cloud_platform", "next_collect_at", "active AND connection = 'authenticated'"),
        ("messages", "cloud_status_message", "next_try_at", "state IN ('queued', 'sent')"),
        ("events", "cloud_event", "next_try_at", "delivered_at IS NULL"),
    ):
        look_past(
            f"cloud_claim_{what}(pause interval, most int)",
            "TABLE (account_id int, claimed_id bigint)",
            f"""
            UPDATE {table} SET {due} = now() + pause WHERE id IN (
                SELECT id FROM {table} WHERE {due} <= now() AND {wanted}
                ORDER BY {due} LIMIT most FOR UPDATE SKIP LOCKED
            ) RETURNING account_id, id::bigint""",
            "VOLATILE",
        )
    look_past(
        "cloud_forget(kept interval)",
        "bigint",
        """
        WITH event AS (
            DELETE FROM cloud_event WHERE created_at < now() - kept AND next_try_at IS NULL RETURNING id
        ), call AS (
            DELETE FROM cloud_collection WHERE collected_at < now() - kept AND orders = 0 RETURNING id
        )
        SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM call)""",
        "VOLATILE",
    )


def downgrade() -> None:
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("shipment_item")
    op.drop_index("uq_shipment_tracking", table_name="shipment")
    op.drop_index("uq_shipment_package", table_name="shipment")
    op.drop_index(
        "ix_shipment_unconfirmed",
        table_name="shipment",
        postgresql_where=sa.text("state IN ('queued', 'sent')"),
    )
    op.drop_index("ix_shipment_tracking_number", table_name="shipment")
    op.drop_index("ix_shipment_state", table_name="shipment")
    op.drop_table("shipment")
    op.drop_table("receipt")
    op.drop_table("document_line")
    op.drop_index("uq_document_tenant_id_number", table_name="document")
    op.drop_index("uq_document_order", table_name="document")
    op.drop_index(
        "ix_document_to_ship",
        table_name="document",
        postgresql_where=sa.text("state IN ('open', 'partly_shipped') AND fulfilled_by = 'merchant'"),
    )
    op.drop_index("ix_document_newest", table_name="document")
    op.drop_index("ix_document_filters_number", table_name="document")
    op.drop_index("ix_document_filters", table_name="document")
    op.drop_index("ix_document_address", table_name="document")
    op.drop_table("document")
    op.drop_index("uq_run_in_flight", table_name="run", postgresql_where=sa.text("state IN ('queued', 'running')"))
    op.drop_index("ix_run_platform_id", table_name="run")
    op.drop_index("ix_run_newest", table_name="run")
    op.drop_table("run")
    op.drop_table("intake_page")
    op.drop_index("uq_held_order", table_name="held_order")
    op.drop_index("ix_held_order_order_id", table_name="held_order")
    op.drop_index("ix_held_order_newest", table_name="held_order")
    op.drop_table("held_order")
    op.drop_index("uq_address_tenant_id_number", table_name="address")
    op.drop_index("uq_address_buyer", table_name="address")
    op.drop_index("ix_address_tenant_id_surname_key", table_name="address")
    op.drop_index("ix_address_tenant_id_name_key", table_name="address")
    op.drop_table("address")
    op.drop_index("uq_platform_tenant_id_number", table_name="platform")
    op.drop_index("uq_platform_tenant_id_name_key", table_name="platform")
    op.drop_table("platform")
    op.drop_table("sign_in_link")
    op.drop_index("uq_cloud_status_message_key", table_name="cloud_status_message")
    op.drop_index(
        "ix_cloud_status_message_due",
        table_name="cloud_status_message",
        postgresql_where=sa.text("state IN ('queued', 'sent')"),
    )
    op.drop_table("cloud_status_message")
    op.drop_index("uq_cloud_order", table_name="cloud_order")
    op.drop_index("ix_cloud_order_waiting", table_name="cloud_order", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_table("cloud_order")
    op.drop_table("cloud_consent")
    op.drop_table("cloud_collection")
    op.drop_index("uq_address_status_tenant_id_name", table_name="address_status")
    op.drop_table("address_status")
    op.drop_index(op.f("ix_number_range_tenant_id"), table_name="number_range")
    op.drop_table("number_range")
    op.drop_index("uq_credential_tenant_id_name", table_name="credential")
    op.drop_table("credential")
    op.drop_index(op.f("ix_cloud_token_expires_at"), table_name="cloud_token")
    op.drop_table("cloud_token")
    op.drop_index("uq_cloud_platform_account_id_name_key", table_name="cloud_platform")
    op.drop_index("ix_cloud_platform_next_collect_at", table_name="cloud_platform")
    op.drop_table("cloud_platform")
    op.drop_index(op.f("ix_cloud_event_next_try_at"), table_name="cloud_event")
    op.drop_table("cloud_event")
    op.drop_index("uq_carrier_tenant_id_name", table_name="carrier")
    op.drop_table("carrier")
    op.drop_index("uq_app_user_email", table_name="app_user")
    op.drop_index(op.f("ix_app_user_tenant_id"), table_name="app_user")
    op.drop_table("app_user")
    op.drop_table("tenant")
    op.drop_table("cloud_account")
