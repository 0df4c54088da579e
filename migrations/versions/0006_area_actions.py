"""Area actions with schemas and runs; tasks that run schemas. The cloud looks back on request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_policies import TENANT, look_past, protect

revision = "0006"
down_revision = "0005"


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32)


STATE = _words("runstate", "queued", "running", "done", "failed", "stopped")
TABLES = ("action_schema", "task", "task_action", "task_run", "action_run", "action_message")
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
    _create_tasks()
    op.create_table(
        "action_run",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("schema_id", sa.Integer(), nullable=True),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("scope", JSON, nullable=False),
        sa.Column("steps", JSON, nullable=False),
        sa.Column("state", STATE, server_default="queued", nullable=False),
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
        sa.Column("task_run_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.SmallInteger(), nullable=True),
        sa.Column("queued_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_action_run_tenant_id")),
        sa.ForeignKeyConstraint(
            ["task_run_id"], ["task_run.id"], name=op.f("fk_action_run_task_run_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["schema_id"], ["action_schema.id"], name=op.f("fk_action_run_schema_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["started_by_id"], ["app_user.id"], name=op.f("fk_action_run_started_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_run")),
    )
    op.create_index("uq_action_run_of_task", "action_run", ["task_run_id", "position"], unique=True)
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
    for table in TABLES:
        protect(table, "tenant_id", TENANT)
    look_past(
        "portal_unfinished_actions(older_than interval)",
        "TABLE (tenant_id int, action_run_id bigint)",
        """
        SELECT tenant_id, id FROM action_run
        WHERE state IN ('queued', 'running') AND task_run_id IS NULL
        AND coalesce(started_at, queued_at) < now() - older_than""",
    )
    look_past(
        "portal_unfinished_tasks(older_than interval)",
        "TABLE (tenant_id int, task_run_id bigint)",
        """
        SELECT tenant_id, id FROM task_run
        WHERE state IN ('queued', 'running') AND coalesce(started_at, queued_at) < now() - older_than""",
    )
    look_past(
        "portal_claim_tasks(pause interval, most int)",
        "TABLE (tenant_id int, task_id int)",
        """
        UPDATE task SET next_at = now() + pause WHERE id IN (
            SELECT id FROM task WHERE next_at <= now() AND active AND locked_at IS NULL
            ORDER BY next_at LIMIT most FOR UPDATE SKIP LOCKED
        ) RETURNING tenant_id, id""",
        "VOLATILE",
    )


def _create_tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("kind", _words("triggerkind", "continuous", "daily", "weekly", "monthly", "manual"), nullable=False),
        sa.Column("times", postgresql.ARRAY(sa.Time()), nullable=False),
        sa.Column("weekdays", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("month_day", sa.String(), nullable=False),
        sa.Column("pause_minutes", sa.Integer(), nullable=False),
        sa.Column("window_begin", sa.Time(), nullable=True),
        sa.Column("window_end", sa.Time(), nullable=True),
        sa.Column("next_at", TIME, nullable=True),
        sa.Column("locked_at", TIME, nullable=True),
        sa.Column("lock_reason", sa.String(), nullable=True),
        sa.Column("changed_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_task_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index("uq_task_tenant_id_name", "task", ["tenant_id", sa.text("lower(name)")], unique=True)
    op.create_index("ix_task_next_at", "task", ["next_at"], postgresql_where=sa.text("next_at IS NOT NULL"))
    op.create_index("ix_task_locked", "task", ["tenant_id"], postgresql_where=sa.text("locked_at IS NOT NULL"))
    op.create_table(
        "task_action",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("schema_id", sa.Integer(), nullable=False),
        sa.Column(
            "condition",
            _words("condition", "always", "ran", "processed", "warnings", "errors"),
            server_default="always",
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["schema_id"], ["action_schema.id"], name=op.f("fk_task_action_schema_id")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_action_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "position", name=op.f("pk_task_action")),
    )
    op.create_index(op.f("ix_task_action_schema_id"), "task_action", ["schema_id"])
    op.create_table(
        "task_run",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("state", STATE, server_default="queued", nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("position", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        *(
            sa.Column(counted, sa.Integer(), server_default=sa.text("0"), nullable=False)
            for counted in ("processed", "warnings", "errors")
        ),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("queued_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_run_task_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_task_run_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_run")),
    )
    op.create_index(
        "uq_task_run_in_flight",
        "task_run",
        ["task_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index("ix_task_run_newest", "task_run", ["task_id", "id"])


def downgrade() -> None:
    op.execute("DROP FUNCTION portal_claim_tasks(interval, int)")
    for unfinished in ("tasks", "actions"):
        op.execute(f"DROP FUNCTION portal_unfinished_{unfinished}(interval)")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("cloud_platform", "look_back_to")
