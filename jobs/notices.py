"""The job of mails of alarms."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.notices import digest
from portal.scope import tenant


def tell(tenant_id: int) -> None:
    """Look at what asks for a person, and mail it where that is due."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id):
        digest.tell()
