"""The fetch job."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.documents.fetch import carry_out
from portal.scope import tenant


def fetch_orders(tenant_id: int, run_id: int) -> None:
    """Do the run, or leave it to the worker that is doing it already."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id, run=run_id):
        carry_out(run_id)
