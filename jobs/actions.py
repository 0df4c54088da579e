"""The job of area actions."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from jobs.queues import enqueue
from portal.automation import actions
from portal.automation.claims import SLICE_SECONDS
from portal.scope import tenant


def run_actions(tenant_id: int, action_run_id: int) -> None:
    """Do a while of the actions, or leave them to the worker that is doing them already."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id, action_run=action_run_id):
        if actions.carry_out(action_run_id, SLICE_SECONDS):
            enqueue("jobs.actions.run_actions", tenant_id, action_run_id)
