"""A platform that is connected and has had no order yet: how long that is usual, and when the cloud last looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import exists, or_, select

from portal.automation.models import Run, RunState
from portal.documents.models import Document, HeldOrder
from portal.extensions import db
from portal.platforms.models import Connection, Platform
from portal.waiting import waiting_in_cloud

# Marketplaces hand the first orders over 4 to 12 hours after the seller agreed.
USUAL = timedelta(hours=12)


@dataclass(frozen=True)
class Quiet:
    """No order yet. `problem` is a kept sentence about why the cloud or the marketplace was asked in vain."""

    platform: Platform
    connected_at: datetime
    is_long: bool
    looked_at: datetime | None = None
    problem: str | None = None


def quiet_of(platform: Platform, run: Run | None, now: datetime | None = None) -> Quiet | None:
    """What to say where this fetch, the latest or that on the page, found nothing since no order ever came.

    None where orders came, where the fetch is not over or failed, and before the first one.
    Asks the cloud when it last looked, and waits for its answer no longer than portal/waiting.py says.
    """
    since = platform.authorized_at
    found_nothing = run is not None and run.state == RunState.DONE and run.orders == 0
    if not found_nothing or since is None or not _listens(platform) or _had_orders(platform):
        return None
    waiting = waiting_in_cloud([platform])[platform.id]
    is_long = (now or datetime.now(UTC)) - since > USUAL
    problem = waiting.problem or waiting.collect_problem
    return Quiet(platform, since, is_long, waiting.collected_at, problem)


def _listens(platform: Platform) -> bool:
    known = platform.reference is not None and platform.connection == Connection.AUTHENTICATED
    return known and platform.active


def _had_orders(platform: Platform) -> bool:
    document = exists().where(Document.platform_id == platform.id)
    held = exists().where(HeldOrder.platform_id == platform.id)
    return bool(db.session.scalar(select(or_(document, held))))
