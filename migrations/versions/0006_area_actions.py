"""Area actions: schemas, runs, and what they had to say. The cloud looks back on request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_policies import TENANT, look_past, protect

revision = "0006"
down_revision = "0005"

TIME = sa.DateTime(timezone=True)
JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.add_column("cloud_platform", sa.Column("look_back_to", TIME, nullable=True))
    op.create_table(
        "action_schema",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("scope", JSON, nullable=False),
        sa.Column("steps", JSON, nullable=False),
        sa.Column("changed_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_action_schema_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_schema")),
    )
    op.create_index(
        "uq_action_schema_tenant_id_name", "action_schema", ["tenant_id", sa.text("lower(name)")], unique=True
    )
    op.create_table(
        "action_run",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("schema_id", sa.Integer(), nullable=True),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("scope", JSON, nullable=False),
        sa.Column("steps", JSON, nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "running", "done", "failed", "stopped", name="runstate", native_enum=False, length=32),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("stopping", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("step", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        *(
            sa.Column(counted, sa.Integer(), server_default=sa.text("0"), nullable=False)
            for counted in ("expected", "done", "processed", "warnings", "errors")
        ),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("started_by_id", sa.Integer(), nullable=True),
        sa.Column("queued_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_action_run_tenant_id")),
        sa.ForeignKeyConstraint(
            ["schema_id"], ["action_schema.id"], name=op.f("fk_action_run_schema_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["started_by_id"], ["app_user.id"], name=op.f("fk_action_run_started_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_run")),
    )
    op.create_index("ix_action_run_newest", "action_run", ["tenant_id", "id"])
    op.create_index(
        "ix_action_run_unfinished",
        "action_run",
        ["queued_at"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "action_message",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("action_run_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "severity",
            sa.Enum("warning", "error", name="severity", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("preset", sa.String(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("written_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["action_run_id"], ["action_run.id"], name=op.f("fk_action_message_action_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_message")),
    )
    op.create_index("ix_action_message_run", "action_message", ["action_run_id", "id"])
    for table in ("action_schema", "action_run", "action_message"):
        protect(table, "tenant_id", TENANT)
    look_past(
        "portal_unfinished_actions(older_than interval)",
        "TABLE (tenant_id int, action_run_id bigint)",
        """
        SELECT tenant_id, id FROM action_run
        WHERE state IN ('queued', 'running') AND coalesce(started_at, queued_at) < now() - older_than""",
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION portal_unfinished_actions(interval)")
    for table in ("action_message", "action_run", "action_schema"):
        op.drop_table(table)
    op.drop_column("cloud_platform", "look_back_to")
