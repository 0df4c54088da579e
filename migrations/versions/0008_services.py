"""Automation services: groups of workers with a queue of their own; each task belongs to one."""

import sqlalchemy as sa
from alembic import op

from migrations.row_policies import TENANT, look_past, protect

revision = "0008"
down_revision = "0007"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "service",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("workers", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("seen_at", TIME, nullable=True),
        sa.Column("watched_since", TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_service_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service")),
    )
    op.create_index("uq_service_tenant_id_name", "service", ["tenant_id", sa.text("lower(name)")], unique=True)
    protect("service", "tenant_id", TENANT)
    op.add_column("task", sa.Column("service_id", sa.Integer(), nullable=True))
    # Until now every worker ran tasks: whoever has some gets a service for them.
    op.execute("INSERT INTO service (tenant_id, name) SELECT DISTINCT tenant_id, 'Automation' FROM task")
    op.execute("UPDATE task SET service_id = service.id FROM service WHERE service.tenant_id = task.tenant_id")
    op.alter_column("task", "service_id", nullable=False)
    op.create_foreign_key(op.f("fk_task_service_id"), "task", "service", ["service_id"], ["id"])
    op.create_index(op.f("ix_task_service_id"), "task", ["service_id"])
    op.execute("DROP FUNCTION portal_unfinished_tasks(interval)")
    look_past(
        "portal_unfinished_tasks(older_than interval)",
        "TABLE (tenant_id int, task_run_id bigint, service_id int)",
        """
        SELECT task_run.tenant_id, task_run.id, service_id FROM task_run JOIN task ON task.id = task_id
        WHERE state IN ('queued', 'running') AND coalesce(started_at, queued_at) < now() - older_than""",
    )
    look_past(
        "portal_services(wanted text, customer text)",
        "TABLE (service_id int, active boolean, workers int)",
        """
        SELECT service.id, active, workers::int
        FROM service JOIN tenant ON tenant.id = tenant_id
        WHERE (wanted IS NULL OR lower(service.name) = lower(wanted))
        AND (customer IS NULL OR customer_number = customer) ORDER BY service.id""",
    )
    look_past(
        "portal_services_seen(seen int[])",
        "void",
        "UPDATE service SET seen_at = now() WHERE id = ANY(seen)",
        "VOLATILE",
    )
    look_past("portal_services_watched()", "void", "UPDATE service SET watched_since = now()", "VOLATILE")


def downgrade() -> None:
    op.execute("DROP FUNCTION portal_services_watched()")
    op.execute("DROP FUNCTION portal_services_seen(int[])")
    op.execute("DROP FUNCTION portal_services(text, text)")
    op.execute("DROP FUNCTION portal_unfinished_tasks(interval)")
    look_past(
        "portal_unfinished_tasks(older_than interval)",
        "TABLE (tenant_id int, task_run_id bigint)",
        """
        SELECT tenant_id, id FROM task_run
        WHERE state IN ('queued', 'running') AND coalesce(started_at, queued_at) < now() - older_than""",
    )
    op.drop_column("task", "service_id")
    op.drop_table("service")
