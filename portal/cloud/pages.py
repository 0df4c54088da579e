"""A page of a window of orders: asked for, looked at for repetition, and kept with the call that brought it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from portal.cloud import inbox
from portal.cloud.connectors import Connector, OrdersPage
from portal.cloud.events import ORDERS_WAITING, emit
from portal.cloud.inbox import Received
from portal.cloud.models import CloudPlatform, CollectedPage
from portal.errors import Unavailable
from portal.extensions import db, redis
from portal.order import Order
from portal.scope import current_account_id
from portal.sentences import sentence

# Page tokens live a day; what was seen in a window need not be known longer.
SEEN_SECONDS = 26 * 3600


class PageRepeated(Unavailable):
    """The marketplace handed out a page or a page token a second time within one window."""


class Cursor(Struct, frozen=True):
    """A window, and the page within it that is next. `watermark` is the one the window was made from, if it counts."""

    window_from: datetime
    window_to: datetime
    token: str | None = None
    page: int = 1
    watermark: datetime | None = None


def ask(platform_id: int, connector: Connector, cursor: Cursor) -> OrdersPage:
    """The page from the marketplace. One call of its plan. Raises PageRepeated where the window would never end."""
    page = connector.search_orders(cursor.window_from, cursor.window_to, cursor.token)
    if cursor.token is not None:
        _refuse_repetition(platform_id, cursor, page)
    return page


def keep(platform: CloudPlatform, cursor: Cursor, page: OrdersPage) -> Received:
    """Its orders into the inbox, with the call. The caller commits, and then notes what it `remember`s."""
    call = CollectedPage(
        account_id=current_account_id(),
        platform_id=platform.id,
        operation="searchOrders",
        request_id=page.request_id,
        page=cursor.page,
        orders=len(page.orders),
        window_from=cursor.window_from,
        window_to=cursor.window_to,
    )
    return receive(platform, page.orders, call)


def receive(platform: CloudPlatform, orders: Sequence[Order], call: CollectedPage, asked_for: bool = False) -> Received:
    """Orders that a call brought, and the news that some of them wait. The caller commits."""
    db.session.add(call)
    db.session.flush()
    received = inbox.receive(platform, orders, call, asked_for)
    if received.waiting:
        emit(ORDERS_WAITING, platform)
    return received


def remember(platform_id: int, cursor: Cursor, page: OrdersPage) -> None:
    """Note what a committed page looked like, and which of its orders are to be read again.

    Lost with Redis, it only takes longer to notice a repetition.
    """
    _note(_seen(platform_id, cursor), _marks(page))
    _note(without_articles(platform_id), [order.id for order in page.orders if inbox.lacks_articles(order)])


def forget(platform_id: int, cursor: Cursor) -> None:
    """The window is begun anew: its pages are no repetitions."""
    redis().delete(_seen(platform_id, cursor))


def fingerprint(text: str) -> str:
    """A token or a list of orders as part of a key: short, and telling nothing of it."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:24]


def without_articles(platform_id: int) -> str:
    """The key of the orders that came without articles."""
    return f"kontor:without-articles:{platform_id}"


def _note(key: str, members: Sequence[str]) -> None:
    if members:
        redis().sadd(key, *members)
        redis().expire(key, SEEN_SECONDS)


def _refuse_repetition(platform_id: int, cursor: Cursor, page: OrdersPage) -> None:
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


def _marks(page: OrdersPage) -> list[str]:
    """A page's fingerprints: of its next token, and of its orders where there are any."""
    marks = []
    if page.next_token is not None:
        marks.append("t" + fingerprint(page.next_token))
    if page.orders:
        orders = "\n".join(f"{order.id} {order.version.isoformat()}" for order in page.orders)
        marks.append("o" + fingerprint(orders))
    return marks


def _seen(platform_id: int, cursor: Cursor) -> str:
    return f"kontor:seen-pages:{platform_id}:{cursor.window_from.timestamp()}-{cursor.window_to.timestamp()}"
