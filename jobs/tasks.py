"""The job of tasks."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.automation import tasks
from portal.scope import tenant


def run_task(tenant_id: int, task_run_id: int) -> None:
    """Run the task, or leave it to the worker that is running it already."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id, task_run=task_run_id):
        tasks.carry_out(task_run_id)
