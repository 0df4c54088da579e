"""The job of area actions."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.automation import actions
from portal.scope import tenant


def run_actions(tenant_id: int, action_run_id: int) -> None:
    """Do the actions, or leave them to the worker that is doing them already."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id, action_run=action_run_id):
        actions.carry_out(action_run_id)
