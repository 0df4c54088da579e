"""Tasks tell: status e-mails and webhooks as actions. Alarms are mailed to whom the tenant names."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_policies import TENANT, look_past, protect

revision = "0011"
down_revision = "0010"

TIME = sa.DateTime(timezone=True)
JSON = postgresql.JSONB(astext_type=sa.Text())
TABLES = ("delivery", "notice_settings", "told_alarm", "digest")


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def upgrade() -> None:
    op.add_column("tenant", sa.Column("language", sa.String(), server_default="en", nullable=False))
    # The tenants there are: in the language that their first administrator has chosen.
    op.execute("""
        UPDATE tenant SET language = chosen.language FROM (
            SELECT DISTINCT ON (tenant_id) tenant_id, language FROM app_user
            WHERE language IS NOT NULL AND role IN ('admin', 'operator') ORDER BY tenant_id, id
        ) chosen WHERE chosen.tenant_id = tenant.id""")
    op.alter_column("task_action", "schema_id", nullable=True)
    op.add_column(
        "task_action",
        sa.Column("kind", _words("actionkind", "schema", "email", "webhook"), server_default="schema", nullable=False),
    )
    op.add_column("task_action", sa.Column("name", sa.String(), server_default="", nullable=False))
    op.add_column("task_action", sa.Column("settings", JSON, server_default="{}", nullable=False))
    op.add_column("task_action", sa.Column("secret", sa.LargeBinary(), nullable=True))
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("task_run_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column(
            "state",
            _words("runstate", "queued", "running", "done", "failed", "stopped"),
            server_default="running",
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("started_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["task_run_id"], ["task_run.id"], name=op.f("fk_delivery_task_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index("uq_delivery_of_task", "delivery", ["task_run_id", "position"], unique=True)
    op.create_table(
        "notice_settings",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recipients", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("next_look_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_notice_settings_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_notice_settings")),
    )
    op.create_index(
        "ix_notice_settings_next_look_at",
        "notice_settings",
        ["next_look_at"],
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.create_table(
        "told_alarm",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("told_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_told_alarm_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "key", "since", name=op.f("pk_told_alarm")),
    )
    op.create_table(
        "digest",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("recipients", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("alarms", JSON, nullable=False),
        sa.Column("written_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", TIME, nullable=True),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_digest_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest")),
    )
    op.create_index("ix_digest_newest", "digest", ["tenant_id", "id"])
    op.create_index(
        "ix_digest_next_try_at",
        "digest",
        ["tenant_id", "next_try_at"],
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    for table in TABLES:
        protect(table, "tenant_id", TENANT)
    # Of the few that have something to tell, not of all tenants: an alarm that no mail of the last day told of, or a
    # mail that is due. A further source of alarms adds its own rows to "alarm", by the kind and key it gives them.
    look_past(
        "portal_claim_digests(pause interval, most int)",
        "TABLE (tenant_id int)",
        """
        UPDATE notice_settings SET next_look_at = now() + pause WHERE tenant_id IN (
            SELECT s.tenant_id FROM notice_settings s WHERE s.next_look_at <= now() AND s.tenant_id IN (
                SELECT alarm.tenant_id FROM (
                    SELECT t.tenant_id, 'locked_task' AS kind, t.id::text AS key, t.locked_at AS since
                    FROM task t WHERE t.locked_at IS NOT NULL
                    UNION ALL SELECT v.tenant_id, 'missing_service', v.id::text,
                    greatest(coalesce(v.seen_at, v.watched_since), v.watched_since) FROM service v
                    WHERE v.active AND greatest(coalesce(v.seen_at, v.watched_since), v.watched_since)
                    < now() - interval '3 minutes'
                ) alarm
                JOIN notice_settings wanted ON wanted.tenant_id = alarm.tenant_id AND alarm.kind = ANY (wanted.kinds)
                LEFT JOIN told_alarm told ON (told.tenant_id, told.kind, told.key, told.since)
                    = (alarm.tenant_id, alarm.kind, alarm.key, alarm.since)
                WHERE told.told_at IS NULL OR told.told_at <= now() - interval '1 day'
                UNION ALL SELECT d.tenant_id FROM digest d WHERE d.next_try_at <= now()
            )
            ORDER BY s.next_look_at LIMIT most FOR UPDATE OF s SKIP LOCKED
        ) RETURNING notice_settings.tenant_id""",
        "VOLATILE",
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION portal_claim_digests(interval, int)")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DELETE FROM task_action WHERE kind <> 'schema'")
    for column in ("secret", "settings", "name", "kind"):
        op.drop_column("task_action", column)
    op.alter_column("task_action", "schema_id", nullable=False)
    op.drop_column("tenant", "language")
