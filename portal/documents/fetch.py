"""A run of the fetch: undelivered orders, page by page, until the cloud has no more."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import structlog

from portal.automation import runs
from portal.automation.claims import hand_on
from portal.automation.models import Run
from portal.credentials.cloud import Cloud
from portal.documents import intake
from portal.documents.arrivals import Source, arrived
from portal.documents.plan import Settings
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.order import Collection, Page
from portal.platforms.creation import is_set_up
from portal.platforms.models import Platform
from portal.sentences import kept, sentence

log = structlog.get_logger()

# Orders asked for at once. Larger pages save round trips; this one is written in well under a
# second, keeps the worker small, and is what a poisoned page is halved from.
PAGE_ORDERS = 400


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page of undelivered orders, and the id of the call that brought it. `next` is None behind the last."""

    planned: intake.Planned
    collections: list[Collection]
    next: int | None
    request_id: str


def carry_out(run_id: int, seconds: float = math.inf) -> bool:
    """Do the run, or leave it to the worker that is doing it already. What is expected to fail is kept in the run.

    True where something is left after `seconds`: then it has to be queued anew.
    """
    with runs.claimed(run_id) as run:
        if run is None:
            return False
        try:
            if fetch_orders(run, until=time.monotonic() + seconds):
                return False
            hand_on(run)
            return True
        except (Refused, Unavailable) as problem:
            db.session.rollback()
            runs.fail(run, kept(problem))
            db.session.commit()
            return False


def fetch_orders(run: Run, page_orders: int = PAGE_ORDERS, until: float = math.inf) -> bool:
    """Take everything that waits for the run's platform; commits by the page and ends the run.

    A crash between a page's commit and its acknowledgement brings the page again, and the
    repeat changes nothing. False where it was left, after a page, since it is later than `until`.
    """
    platform = db.session.get_one(Platform, run.platform_id)
    if platform.reference is None:
        raise Unavailable(sentence("The platform is not known to the cloud yet. Connect it first."))
    if not is_set_up(platform):
        raise Refused(sentence("Fill in the platform's document creation first: it says what orders become."))
    cloud, reference = Cloud.of(platform.credential), platform.reference
    source = intake.source_of(platform, run_id=run.id, attempt=run.attempt, worker=run.worker or "")
    run.expected = run.orders + cloud.platform(reference)["waiting"]
    db.session.commit()
    while True:
        if not _take_all(cloud, reference, source, page_orders, until):
            return False
        platform.last_fetch_at = datetime.now(UTC)
        if runs.end(run):
            db.session.commit()
            return True
        db.session.commit()


def _take_all(cloud: Cloud, reference: str, source: Source, page_orders: int, until: float) -> bool:
    """One sweep over the inbox. The next page travels, and the last is acknowledged, while this one is written.

    False where it was left before the last page, since it is late.
    """
    with ThreadPoolExecutor(1, "cloud") as pool:
        fetch = partial(_fetched, cloud, reference, source.settings, page_orders)
        coming = _submit(pool, fetch, None)
        acknowledging: Future[Any] | None = None
        while True:
            page: Fetched = coming.result()
            late = page.next is not None and time.monotonic() > until
            if page.next is not None and not late:
                coming = _submit(pool, fetch, page.next)
            if page.planned.arrivals:
                source = replace(source, request_id=page.request_id)
                tally = intake.commit_page(source, page.planned, page.collections)
                log.info("page_written", orders=tally.orders, created=tally.created, held=tally.held)
                if acknowledging is not None:
                    acknowledging.result()
                versions = [(arrival.order.id, arrival.order.version) for arrival in page.planned.arrivals]
                acknowledging = _submit(pool, cloud.acknowledge, reference, versions)
            if page.next is None or late:
                break
        if acknowledging is not None:
            acknowledging.result()
    return not late


def _submit(pool: ThreadPoolExecutor, call: Any, *arguments: Any) -> Future[Any]:
    """Run a call to the cloud beside us, in our app context. It must not touch the database session."""
    return pool.submit(copy_context().run, call, *arguments)


def _fetched(cloud: Cloud, reference: str, settings: Settings, page_orders: int, after: int | None) -> Fetched:
    """One page, decoded and planned here too: that costs no time while the database writes the page before."""
    body, request_id = cloud.orders(reference, after, page_orders)
    try:
        page = msgspec.json.decode(body, type=Page)
        arrivals = [arrived(delivery) for delivery in page.orders]
    except msgspec.DecodeError as error:
        raise Unavailable(sentence("The cloud's answer makes no sense: %(error)s.", error=str(error))) from error
    return Fetched(intake.plan_page(arrivals, settings), page.collections, page.next, request_id)
