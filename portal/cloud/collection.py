"""Collecting: the orders that changed at a marketplace come into the inbox, page by page.

Every page is one transaction: its orders, the call that brought it, and where to go on. Whatever
dies in between, the next collector starts at the page that was not committed. The watermark, up to
which everything is known, moves only after a window's last page.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import update

from portal.cloud import inbox, looking_again, pages
from portal.cloud.connectors import (
    ConnectionRevoked,
    Connector,
    NothingCame,
    OrdersPage,
    OutOfBudget,
    PageTokenRefused,
    Unanswered,
    connector_for,
)
from portal.cloud.events import CONNECTION_CHANGED, emit
from portal.cloud.models import CloudPlatform, CollectedPage, ConnectionState, InboxOrder
from portal.cloud.pages import Cursor, PageRepeated
from portal.errors import Refused, Unavailable
from portal.extensions import db, redis
from portal.locks import Lock, alone
from portal.scope import current_account_id
from portal.sentences import Moment, kept, sentence

log = structlog.get_logger()

# Orders without articles that are asked for again, one call each, at the end of a window.
MOST_REREADS = 5
# A job ends after this long and the next goes on, well before RQ would stop it.
LONGEST_SECONDS = 600.0
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 900.0
# After this many answers of no use to one page its window is begun anew: its token may be what fails. What says
# nothing of the token (a pause asked for, the token endpoint, the network) does not count: pages are dear.
TRIES_AT_A_PAGE = 3


def collect(platform_id: int) -> None:
    """Collect everything that changed at the platform's marketplace; commits by the page.

    One collector a platform at a time: a second one returns at once. Expected failures are
    recorded in the platform's row, with the time of the next attempt.
    """
    with alone(Lock.COLLECTOR, platform_id) as sole:
        platform = db.session.get(CloudPlatform, platform_id) if sole else None
        if platform is None:
            return
        authorized_at = platform.authorized_at
        try:
            _collect(platform_id)
        except ConnectionRevoked as revoked:
            db.session.rollback()
            lose_connection(platform_id, authorized_at, revoked)
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
    pages.receive(platform, [fetched.order], call, asked_for=True)
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


def lose_connection(platform_id: int, authorized_at: datetime | None, problem: ConnectionRevoked) -> None:
    """Mark the connection revoked, with the day in words, and tell the account. Its orders stay.

    `authorized_at` as it was before the call: a consent that was renewed meanwhile is not what was refused.
    """
    platform = db.session.get(CloudPlatform, platform_id, with_for_update=True, populate_existing=True)
    if platform is None or platform.connection != ConnectionState.AUTHENTICATED:
        return
    if platform.authorized_at != authorized_at:
        log.info("connection_renewed_meanwhile", platform=platform_id)
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
        cursor = _cursor(platform)
        db.session.commit()  # no transaction stays open while the marketplace thinks
        page = pages.ask(platform_id, connector, cursor)
        if not _write_page(platform_id, connector, cursor, page):
            return
        pages.remember(platform_id, cursor, page)
        if page.next_token is None:
            looking_again.note_window(platform_id, cursor)
            _read_again(platform_id, connector)
            looking_again.look_again(platform_id, connector, until)
            return
        if time.monotonic() > until:
            _postpone(platform_id, 0)
            return


def _cursor(platform: CloudPlatform) -> Cursor:
    """The page under way, or the first of a new window."""
    watermark = platform.watermark
    if platform.window_from is not None and platform.window_to is not None:
        return Cursor(platform.window_from, platform.window_to, platform.next_token, platform.next_page, watermark)
    window_to = datetime.now(UTC) - timedelta(seconds=current_app.config["AMAZON_MIN_AGE"])
    asked_from = platform.look_back_to or window_to
    if watermark is None:
        first_reach = timedelta(days=current_app.config["COLLECT_SINCE_DAYS"])
        return Cursor(min(window_to - first_reach, asked_from), window_to)
    window_from = min(looking_again.next_window_from(platform.id, watermark), asked_from)
    # A clock that was set back must not turn the window around.
    return Cursor(window_from, max(window_to, window_from), None, 1, watermark)


def _write_page(platform_id: int, connector: Connector, cursor: Cursor, page: OrdersPage) -> bool:
    """Orders, call and cursor in one transaction. False where the cursor is no longer ours: nothing is written then."""
    platform = db.session.get(CloudPlatform, platform_id, with_for_update=True)
    if platform is None or not _is_at(platform, cursor):
        db.session.rollback()
        return False
    received = pages.keep(platform, cursor, page)
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
    db.session.commit()
    log.info("page_collected", page=cursor.page, orders=received.orders, written=received.written)
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
    if platform.next_token is not None and (begin_anew or _is_suspected(platform_id, platform.next_token, problem)):
        platform.window_from = platform.window_to = platform.next_token = None
        platform.next_page = 1
    log.warning("collection_failed", platform=platform_id, failures=platform.failures, problem=str(problem)[:200])


def _is_suspected(platform_id: int, token: str, problem: Refused | Unavailable) -> bool:
    if isinstance(problem, NothingCame) or not isinstance(problem, (Unanswered, PageRepeated)):
        return False
    key = f"kontor:page-failures:{platform_id}:{pages.fingerprint(token)}"
    failures = redis().incr(key)
    redis().expire(key, pages.SEEN_SECONDS)
    return int(failures) >= TRIES_AT_A_PAGE


def _read_again(platform_id: int, connector: Connector) -> None:
    """Ask by id for a few orders that came without articles. What fails stays noted."""
    platform = db.session.get(CloudPlatform, platform_id)
    for member in redis().srandmember(pages.without_articles(platform_id), MOST_REREADS) or []:
        order_id = bytes(member).decode()  # type: ignore[arg-type]
        try:
            stored = refetch(platform, order_id) if platform else None
        except (Unavailable, Refused) as problem:
            db.session.rollback()
            log.info("order_not_read_again", problem=str(problem)[:200])
            return
        db.session.commit()
        if stored is None or stored.note != inbox.NO_ARTICLES:
            redis().srem(pages.without_articles(platform_id), member)
