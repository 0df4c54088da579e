"""The collecting job."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.cloud.collection import collect
from portal.scope import account


def collect_orders(account_id: int, platform_id: int) -> None:
    """Collect what changed at the marketplace, or leave it to the worker that is doing it already."""
    with account(account_id), bound_contextvars(account=account_id, platform=platform_id):
        collect(platform_id)
