"""The history of runs: what came of them, what they made, and how long they are kept."""

import sqlalchemy as sa
from alembic import op

from migrations.row_policies import TENANT, look_past, protect

revision = "0010"
down_revision = "0009"

ENDING = (
    "CASE WHEN state IN ('queued', 'running') THEN 'moving' WHEN state = 'failed' THEN 'error' "
    "WHEN warnings > 0 THEN 'warning' ELSE 'ok' END"
)


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def upgrade() -> None:
    op.add_column("tenant", sa.Column("runs_kept_days", sa.Integer(), server_default=sa.text("90"), nullable=False))
    op.add_column(
        "task_run",
        sa.Column(
            "ending",
            _words("ending", "moving", "ok", "warning", "error"),
            sa.Computed(ENDING, persisted=True),
            nullable=False,
        ),
    )
    op.drop_index("ix_task_run_newest", "task_run")
    op.create_index("ix_task_run_newest", "task_run", ["tenant_id", "queued_at", "id"])
    op.create_index("ix_task_run_of_task", "task_run", ["task_id", "queued_at", "id"])
    op.create_index("ix_task_run_ending", "task_run", ["tenant_id", "ending", "queued_at", "id"])
    op.create_table(
        "action_result",
        sa.Column("action_run_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _words("made", "fetch", "document", "parcel"), nullable=False),
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["action_run_id"], ["action_run.id"], name=op.f("fk_action_result_action_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("action_run_id", "kind", "record_id", name=op.f("pk_action_result")),
    )
    protect("action_result", "tenant_id", TENANT)
    op.create_index(
        "ix_action_run_alone", "action_run", ["tenant_id", "queued_at"], postgresql_where=sa.text("task_run_id IS NULL")
    )
    op.create_index("ix_run_empty", "run", ["tenant_id", "queued_at"], postgresql_where=sa.text("orders = 0"))
    op.create_index("ix_intake_page_run_id", "intake_page", ["run_id"], postgresql_where=sa.text("run_id IS NOT NULL"))
    op.create_index(
        "ix_receipt_page_id",
        "receipt",
        ["page_id"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )
    _forget()
    # Those of one tenant after each other, since they are started together.
    _claim_in_order("next_at, tenant_id")


def _claim_in_order(order: str) -> None:
    op.execute("DROP FUNCTION IF EXISTS portal_claim_tasks(interval, int)")
    look_past(
        "portal_claim_tasks(pause interval, most int)",
        "TABLE (tenant_id int, task_id int)",
        f"""
        UPDATE task SET next_at = now() + pause WHERE id IN (
            SELECT id FROM task WHERE next_at <= now() AND active AND locked_at IS NULL
            ORDER BY {order} LIMIT most FOR UPDATE SKIP LOCKED
        ) RETURNING tenant_id, id""",
        "VOLATILE",
    )


def _forget() -> None:
    """A batch of old runs, the oldest of each tenant first. What refers to them goes with them."""
    old = """
        SELECT {table}.id FROM tenant CROSS JOIN LATERAL (
            SELECT id FROM {table} r
            WHERE r.tenant_id = tenant.id AND r.queued_at < now() - tenant.runs_kept_days * interval '1 day'
            AND r.ended_at < now() - tenant.runs_kept_days * interval '1 day' AND {more}
            ORDER BY r.queued_at LIMIT most
        ) {table} LIMIT most"""
    # A task's last run stays, whatever its age.
    of_tasks = old.format(
        table="task_run",
        more="EXISTS (SELECT FROM task_run n WHERE n.task_id = r.task_id "
        "AND (n.queued_at, n.id) > (r.queued_at, r.id))",
    )
    alone = old.format(table="action_run", more="r.task_run_id IS NULL")
    # Receipts name the page that wrote them, and the page its fetch. A platform's last fetch stays too.
    of_fetches = old.format(
        table="run",
        more="r.orders = 0 AND NOT EXISTS (SELECT FROM intake_page p WHERE p.run_id = r.id) "
        "AND EXISTS (SELECT FROM run n WHERE n.platform_id = r.platform_id AND n.id > r.id)",
    )
    look_past(
        "portal_forget_runs(most int)",
        "bigint",
        f"""
        WITH of_task AS (
            DELETE FROM task_run WHERE id IN ({of_tasks}) RETURNING id
        ), alone AS (
            DELETE FROM action_run WHERE id IN ({alone}) RETURNING id
        ), of_fetch AS (
            DELETE FROM run WHERE id IN ({of_fetches}) RETURNING id
        )
        SELECT greatest(
            (SELECT count(*) FROM of_task), (SELECT count(*) FROM alone), (SELECT count(*) FROM of_fetch)
        )""",
        "VOLATILE",
    )


def downgrade() -> None:
    _claim_in_order("next_at")
    op.execute("DROP FUNCTION portal_forget_runs(int)")
    op.drop_index("ix_receipt_page_id", "receipt")
    op.drop_index("ix_intake_page_run_id", "intake_page")
    op.drop_index("ix_run_empty", "run")
    op.drop_index("ix_action_run_alone", "action_run")
    op.drop_table("action_result")
    for index in ("ending", "of_task", "newest"):
        op.drop_index(f"ix_task_run_{index}", "task_run")
    op.create_index("ix_task_run_newest", "task_run", ["task_id", "id"])
    op.drop_column("task_run", "ending")
    op.drop_column("tenant", "runs_kept_days")
