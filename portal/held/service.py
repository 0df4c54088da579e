"""Held orders are tried again, one by one, all of a group, or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from flask_babel import gettext as _
from sqlalchemy import delete, select

from portal.documents.arrivals import Source
from portal.documents.intake import ROW_REFUSED, Retried, retry_held, source_of
from portal.documents.models import HeldOrder
from portal.errors import Refused
from portal.extensions import db
from portal.held.listing import EVERYTHING, Wanted, these
from portal.sentences import sentence

log = structlog.get_logger()

# What one click tries: at some ten milliseconds each, an answer within seconds.
MOST_AT_ONCE = 200
WORKER = "web"


class NewerVersion(Refused):
    """What is held is another version than was looked at."""


@dataclass(frozen=True)
class Outcome:
    """The documents that orders became, and how many orders are held still or no longer wanted."""

    documents: Sequence[int] = ()
    held: int = 0
    gone: int = 0

    @property
    def tried(self) -> int:
        return len(self.documents) + self.held + self.gone


def retry(held: HeldOrder, source: Source | None = None) -> Retried:
    """Try one order again. What the database refuses is held still and costs no other order.

    `source` is its platform's, where it has been read already.
    """
    try:
        with db.session.begin_nested():
            return retry_held(held, source or source_of(held.platform, worker=WORKER))
    except ROW_REFUSED as refusal:
        log.warning("held_order_refused", error=type(refusal).__name__)
        return Retried(reason=sentence("The database refused the order. It stays held."))


def remove(held: HeldOrder, version: str | None = None) -> None:
    """Put an order aside that a person has settled otherwise, with all that was kept of it.

    It is no document and becomes none, unless the marketplace tells a newer version. Raises NewerVersion where that
    has come already: `version` is what the person looked at, in ISO 8601.
    """
    is_seen = version in (None, held.version.isoformat())
    removed = (
        delete(HeldOrder).where(HeldOrder.id == held.id, HeldOrder.version == held.version).returning(HeldOrder.id)
    )
    if not is_seen or db.session.scalar(removed) is None:
        raise NewerVersion(
            _("Another version of order %(order)s has come meanwhile. Look at that first.", order=held.order_id)
        )
    log.info("held_order_removed", platform=held.platform_id, cause=held.cause, retries=held.retries)


def retry_all(wanted: Wanted = EVERYTHING) -> Outcome | None:
    """Try the wanted orders again if they are no more than MOST_AT_ONCE; else None, and none is tried."""
    oldest = these(select(HeldOrder.id), wanted).order_by(HeldOrder.held_at, HeldOrder.id)
    ids: Sequence[int] = db.session.scalars(oldest.limit(MOST_AT_ONCE + 1)).all()
    return retry_these(ids) if len(ids) <= MOST_AT_ONCE else None


def retry_these(ids: Sequence[int]) -> Outcome:
    """Try these orders again; those that are there no more are gone."""
    documents: list[int] = []
    still = gone = 0
    sources: dict[int, Source] = {}  # settings are read once a platform, not once an order
    for id in ids:
        held = db.session.get(HeldOrder, id)
        if held is not None and held.platform_id not in sources:
            sources[held.platform_id] = source_of(held.platform, worker=WORKER)
        outcome = retry(held, sources[held.platform_id]) if held is not None else Retried()
        if outcome.document is not None:
            documents.append(outcome.document)
        still += outcome.document is None and outcome.reason is not None
        gone += outcome.document is None and outcome.reason is None
    return Outcome(documents, still, gone)
