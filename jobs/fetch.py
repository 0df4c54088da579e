"""The fetch job."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from jobs.queues import enqueue
from portal.automation.claims import SLICE_SECONDS
from portal.documents.fetch import carry_out
from portal.scope import tenant


def fetch_orders(tenant_id: int, run_id: int) -> None:
    """Do a while of the run, or leave it to the worker that is doing it already."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id, run=run_id):
        if carry_out(run_id, SLICE_SECONDS):
            enqueue("jobs.fetch.fetch_orders", tenant_id, run_id)
