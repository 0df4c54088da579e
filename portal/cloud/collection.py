"""Collecting: the orders that changed at a marketplace come into the inbox, page by page.

Every page is one transaction: its orders, the call that brought it, and where to go on. Whatever
dies in between, the next collector starts at the page that was not committed. The watermark, up to
which everything is known, moves only after a window's last page.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import update

from portal.cloud import inbox
from portal.cloud.connectors import (
    ConnectionRevoked,
    Connector,
    OrdersPage,
    OutOfBudget,
    PageTokenRefused,
    connector_for,
)
from portal.cloud.events import CONNECTION_CHANGED, ORDERS_WAITING, emit
from portal.cloud.models import CloudPlatform, CollectedPage, ConnectionState, InboxOrder
from portal.errors import Refused, Unavailable
from portal.extensions import db, redis
from portal.locks import Lock, alone
from portal.order import Order
from portal.scope import current_account_id
from portal.sentences import Moment, kept, sentence

log = structlog.get_logger()

# A window reaches back beyond the watermark by this much. Updates become visible some minutes after
# the time they carry, and bounds are inclusive, so neighbours must overlap; the version rule of the
# inbox makes the repeats harmless.
OVERLAP = timedelta(minutes=10)
# A window of more pages is not read again by the overlap of each that follows: after a bulk change that would eat
# the plan for an hour, while new orders wait. It is read again once, when the plan has room.
OVERLAP_PAGES = 3
# Once a day a window reaches further back: updates that became visible hours late were reported.
RESCAN_EVERY = timedelta(hours=24)
RESCAN_BACK = timedelta(days=3)
# Not while the plan is strained: a rescan costs pages.
RESCAN_SPARE_CALLS = 10
# Orders without articles that are asked for again, one call each, at the end of a window.
MOST_REREADS = 5
# A job ends after this long and the next goes on, well before RQ would stop it.
LONGEST_SECONDS = 600.0
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 900.0
# After this many failures at one page the window is begun anew: its token may be what fails.
TRIES_AT_A_PAGE = 3
# Page tokens live a day; what was seen in a window need not be known longer.
SEEN_SECONDS = 26 * 3600


class PageRepeated(Unavailable):
    """The marketplace handed out a page or a page token a second time within one window."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where collecting goes on: a window, and the page within it. `watermark` is the one the window was made from."""

    window_from: datetime
    window_to: datetime
    token: str | None
    page: int
    watermark: datetime | None


def collect(platform_id: int) -> None:
    """Collect everything that changed at the platform's marketplace; commits by the page.

    One collector a platform at a time: a second one returns at once. Expected failures are
    recorded in the platform's row, with the time of the next attempt.
    """
    with alone(Lock.COLLECTOR, platform_id) as sole:
        if not sole:
            return
        try:
            _collect(platform_id)
        except ConnectionRevoked as revoked:
            db.session.rollback()
            lose_connection(platform_id, revoked)
        except OutOfBudget as empty:
            db.session.rollback()
            _postpone(platform_id, empty.retry_after or LONGEST_PAUSE)
        except Unavailable as problem:
            db.session.rollback()
            _fail(platform_id, problem, problem.retry_after or 0)
        except Refused as problem:
            # Also an unexpected 400: Amazon had hours of them. The window is not skipped for it.
            db.session.rollback()
            _fail(platform_id, problem, 0, begin_anew=isinstance(problem, PageTokenRefused))
        db.session.commit()


def refetch(platform: CloudPlatform, order_id: str) -> InboxOrder | None:
    """Ask the marketplace for one order now. None where this seller has none of that id.

    Raises Unavailable, ConnectionRevoked, Refused.
    """
    fetched = connector_for(platform).get_order(order_id)
    if fetched is None:
        return None
    call = CollectedPage(
        account_id=current_account_id(),
        platform_id=platform.id,
        operation="getOrder",
        request_id=fetched.request_id,
        page=1,
        orders=1,
    )
    db.session.add(call)
    db.session.flush()
    received = inbox.receive(platform, [fetched.order], call, asked_for=True)
    if received.waiting:
        emit(ORDERS_WAITING, platform)
    return stored_order(platform.id, fetched.order.id)


def stored_order(platform_id: int, order_id: str) -> InboxOrder | None:
    """The order as it lies in the inbox."""
    order: InboxOrder | None = db.session.scalar(
        db.select(InboxOrder)
        .where(InboxOrder.platform_id == platform_id, InboxOrder.order_id == order_id)
        .execution_options(populate_existing=True)
    )
    return order


def collect_anew(platform: CloudPlatform) -> None:
    """Forget how far we are, and begin as for a new connection: its marketplaces have changed."""
    platform.watermark = platform.window_from = platform.window_to = platform.next_token = None
    platform.next_page = 1
    platform.next_collect_at = datetime.now(UTC)


def lose_connection(platform_id: int, problem: ConnectionRevoked) -> None:
    """Mark the connection revoked, with the day in words, and tell the account. Its orders stay."""
    platform = db.session.get(CloudPlatform, platform_id, with_for_update=True)
    if platform is None or platform.connection != ConnectionState.AUTHENTICATED:
        return
    platform.connection = ConnectionState.REVOKED
    noticed = sentence(
        "%(problem)s Noticed on %(at)s. Orders wait at the marketplace, none is lost. Connect again.",
        problem=problem.args[0],
        at=Moment(datetime.now(UTC)),
    )
    platform.connection_problem = kept(noticed)
    platform.next_collect_at = None
    emit(CONNECTION_CHANGED, platform)
    log.warning("connection_lost", platform=platform_id)


def _collect(platform_id: int) -> None:
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        platform = db.session.get(CloudPlatform, platform_id)
        if platform is None or not platform.active or platform.connection != ConnectionState.AUTHENTICATED:
            return
        connector = connector_for(platform)
        cursor = _cursor(platform, connector)
        db.session.commit()  # no transaction stays open while the marketplace thinks
        page = connector.search_orders(cursor.window_from, cursor.window_to, cursor.token)
        _refuse_repetition(platform_id, cursor, page)
        if not _write_page(platform_id, connector, cursor, page):
            return
        _remember(platform_id, cursor, page)
        if page.next_token is None:
            _note_crowd(platform_id, cursor)
            _read_again(platform_id, connector)
            return
        if time.monotonic() > until:
            _postpone(platform_id, 0)
            return


def _cursor(platform: CloudPlatform, connector: Connector) -> Cursor:
    """The page under way, or the first of a new window."""
    watermark = platform.watermark
    if platform.window_from is not None and platform.window_to is not None:
        return Cursor(platform.window_from, platform.window_to, platform.next_token, platform.next_page, watermark)
    window_to = datetime.now(UTC) - timedelta(seconds=current_app.config["AMAZON_MIN_AGE"])
    asked_from = platform.look_back_to or window_to
    if watermark is None:
        return Cursor(min(window_to - _first_reach(), asked_from), window_to, None, 1, None)
    window_from = watermark - OVERLAP
    crowded = _crowded_until(platform.id)
    if crowded is not None:
        is_due = window_to - crowded >= OVERLAP and connector.spare_calls() >= RESCAN_SPARE_CALLS
        window_from = min(window_from, crowded - OVERLAP) if is_due else max(window_from, min(crowded, watermark))
    if not redis().exists(_rescanned(platform.id)) and connector.spare_calls() >= RESCAN_SPARE_CALLS:
        window_from = min(window_from, window_to - RESCAN_BACK)
    window_from = min(window_from, asked_from)
    # A clock that was set back must not turn the window around.
    return Cursor(window_from, max(window_to, window_from), None, 1, watermark)


def _first_reach() -> timedelta:
    return timedelta(days=current_app.config["COLLECT_SINCE_DAYS"])


def _rescanned(platform_id: int) -> str:
    """The key that stands while the last rescan is fresh. Redis may forget it, then it is done once too often."""
    return f"kontor:rescanned:{platform_id}"


def _crowded(platform_id: int) -> str:
    """The key that holds the end of a window of many pages until it was read again. Lost, the overlap does it."""
    return f"kontor:crowded:{platform_id}"


def _crowded_until(platform_id: int) -> datetime | None:
    kept_time = redis().get(_crowded(platform_id))
    return datetime.fromisoformat(str(kept_time, "ascii")) if isinstance(kept_time, bytes) else None


def _note_crowd(platform_id: int, cursor: Cursor) -> None:
    """At the end of a window: note it if it was large, and forget the large one that it has read again."""
    before = _crowded_until(platform_id)
    read_again = before is not None and cursor.window_from <= before - OVERLAP
    if cursor.page > OVERLAP_PAGES and not read_again:
        redis().set(_crowded(platform_id), cursor.window_to.isoformat(), ex=RESCAN_EVERY)
    elif read_again:
        redis().delete(_crowded(platform_id))


def _write_page(platform_id: int, connector: Connector, cursor: Cursor, page: OrdersPage) -> bool:
    """Orders, call and cursor in one transaction. False where the cursor is no longer ours: nothing is written then."""
    platform = db.session.get(CloudPlatform, platform_id, with_for_update=True)
    if platform is None or not _is_at(platform, cursor):
        db.session.rollback()
        return False
    call = CollectedPage(
        account_id=current_account_id(),
        platform_id=platform_id,
        operation="searchOrders",
        request_id=page.request_id,
        page=cursor.page,
        orders=len(page.orders),
        window_from=cursor.window_from,
        window_to=cursor.window_to,
    )
    db.session.add(call)
    db.session.flush()
    received = inbox.receive(platform, page.orders, call)
    platform.failures, platform.collect_problem = 0, None
    if page.next_token is not None:
        platform.window_from, platform.window_to = cursor.window_from, cursor.window_to
        platform.next_token, platform.next_page = page.next_token, cursor.page + 1
    else:
        platform.window_from = platform.window_to = platform.next_token = None
        platform.next_page = 1
        # The marketplace may have applied an earlier bound than we asked for; it never counts beyond ours.
        platform.watermark = min(cursor.window_to, page.window_to or cursor.window_to)
        now = datetime.now(UTC)
        if platform.look_back_to is not None and platform.look_back_to >= cursor.window_from:
            platform.look_back_to = None
        # Asked while this window was under way: the next one is made for it.
        pause = connector.poll_pause() if platform.look_back_to is None else 0
        platform.collected_at, platform.next_collect_at = now, now + timedelta(seconds=pause)
    if received.waiting:
        emit(ORDERS_WAITING, platform)
    db.session.commit()
    log.info("page_collected", page=cursor.page, orders=received.orders, written=received.written)
    _note_empty(platform_id, page.orders)
    if page.next_token is None and cursor.window_to - cursor.window_from >= min(RESCAN_BACK, _first_reach()):
        redis().set(_rescanned(platform_id), 1, ex=RESCAN_EVERY)
    return True


def _is_at(platform: CloudPlatform, cursor: Cursor) -> bool:
    """True if the platform still stands where the call began: connected, and at the same page of the same window."""
    if platform.connection != ConnectionState.AUTHENTICATED:
        return False
    if platform.watermark != cursor.watermark or platform.next_token != cursor.token:
        return False
    return cursor.token is None or platform.window_to == cursor.window_to


def _postpone(platform_id: int, seconds: float) -> None:
    """Come again later, to the same page. Not a failure."""
    pause = timedelta(seconds=seconds)
    db.session.execute(
        update(CloudPlatform).where(CloudPlatform.id == platform_id).values(next_collect_at=datetime.now(UTC) + pause)
    )


def _fail(platform_id: int, problem: Refused | Unavailable, retry_after: float, begin_anew: bool = False) -> None:
    """Say what went wrong and come again, ever later. The watermark stays, so nothing is skipped."""
    platform = db.session.get(CloudPlatform, platform_id, with_for_update=True)
    if platform is None:
        return
    platform.failures += 1
    platform.collect_problem = kept(problem)
    pause = min(FIRST_PAUSE * 2 ** min(platform.failures - 1, 10), LONGEST_PAUSE) * random.uniform(0.8, 1.2)
    platform.next_collect_at = datetime.now(UTC) + timedelta(seconds=max(pause, retry_after))
    # A refused page token is of no use any more, and one that keeps failing is suspected.
    if platform.next_token is not None and (begin_anew or platform.failures % TRIES_AT_A_PAGE == 0):
        platform.window_from = platform.window_to = platform.next_token = None
        platform.next_page = 1
    log.warning("collection_failed", platform=platform_id, failures=platform.failures, problem=str(problem)[:200])


def _refuse_repetition(platform_id: int, cursor: Cursor, page: OrdersPage) -> None:
    """Raise PageRepeated where the window would never end."""
    if cursor.token is None:
        return
    for mark in _marks(page):
        if redis().sismember(_seen(platform_id, cursor), mark):
            if mark.startswith("t"):
                repeated = sentence(
                    "The marketplace repeats a page token; page %(page)s is asked for again later.", page=cursor.page
                )
            else:
                repeated = sentence(
                    "The marketplace repeats a page; page %(page)s is asked for again later.", page=cursor.page
                )
            raise PageRepeated(repeated)


def _remember(platform_id: int, cursor: Cursor, page: OrdersPage) -> None:
    """Note what a committed page looked like. Lost with Redis, it only takes longer to notice a repetition."""
    marks = _marks(page)
    if marks:
        key = _seen(platform_id, cursor)
        redis().sadd(key, *marks)
        redis().expire(key, SEEN_SECONDS)


def _marks(page: OrdersPage) -> list[str]:
    """A page's fingerprints: of its next token, and of its orders where there are any."""
    marks = []
    if page.next_token is not None:
        marks.append("t" + hashlib.sha256(page.next_token.encode(errors="replace")).hexdigest()[:24])
    if page.orders:
        orders = "\n".join(f"{order.id} {order.version.isoformat()}" for order in page.orders)
        marks.append("o" + hashlib.sha256(orders.encode(errors="replace")).hexdigest()[:24])
    return marks


def _seen(platform_id: int, cursor: Cursor) -> str:
    return f"kontor:seen-pages:{platform_id}:{cursor.window_to.timestamp()}"


def _note_empty(platform_id: int, orders: Sequence[Order]) -> None:
    """Remember the orders that came without articles, so that they are read again."""
    empty = [order.id for order in orders if inbox.lacks_articles(order)]
    if empty:
        redis().sadd(_empty(platform_id), *empty)
        redis().expire(_empty(platform_id), SEEN_SECONDS)


def _read_again(platform_id: int, connector: Connector) -> None:
    """Ask by id for a few orders that came without articles. What fails stays noted."""
    platform = db.session.get(CloudPlatform, platform_id)
    for member in redis().srandmember(_empty(platform_id), MOST_REREADS) or []:
        order_id = bytes(member).decode()  # type: ignore[arg-type]
        try:
            stored = refetch(platform, order_id) if platform else None
        except (Unavailable, Refused) as problem:
            db.session.rollback()
            log.info("order_not_read_again", problem=str(problem)[:200])
            return
        db.session.commit()
        if stored is None or stored.note != inbox.NO_ARTICLES:
            redis().srem(_empty(platform_id), member)


def _empty(platform_id: int) -> str:
    return f"kontor:without-articles:{platform_id}"
