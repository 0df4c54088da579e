"""The fetch job."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.automation import runs
from portal.documents.fetch import fetch_orders as fetch_orders_of
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.scope import tenant
from portal.sentences import kept


def fetch_orders(tenant_id: int, run_id: int) -> None:
    """Do the run, or leave it to the worker that is doing it already."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id, run=run_id), runs.claimed(run_id) as run:
        if run is None:
            return
        try:
            fetch_orders_of(run)
        except (Refused, Unavailable) as problem:
            db.session.rollback()
            runs.fail(run, kept(problem))
            db.session.commit()
