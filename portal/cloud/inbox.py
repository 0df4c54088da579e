"""The inbox: the newest version of each order, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import text

from portal.cloud.connectors import OTHER_CHANNEL
from portal.cloud.models import CloudPlatform, CollectedPage, InboxState
from portal.extensions import db
from portal.order import Order, Status
from portal.scope import current_account_id
from portal.sentences import kept, sentence

NO_ARTICLES = kept(sentence("The marketplace has not told the articles yet; the order is read again."))

# Only a newer version replaces one. The same version again counts where the one stored was not
# fit to be handed out and this one is another: articles told at last, or a marketplace added.
# What the account has once been given it is also told the end of, so there 'cancelled' waits.
RECEIVE = text("""
INSERT INTO cloud_order AS stored (account_id, platform_id, order_id, version, state, note, payload, collection_id)
SELECT :account_id, :platform_id, page.order_id, page.version, page.state, page.note, page.payload, :collection_id
FROM unnest(
    CAST(:ids AS text[]), CAST(:versions AS timestamptz[]), CAST(:states AS text[]),
    CAST(:notes AS text[]), CAST(:payloads AS bytea[])
) AS page (order_id, version, state, note, payload)
ON CONFLICT (platform_id, order_id) DO UPDATE SET
    version = excluded.version,
    state = CASE
        WHEN excluded.state IN ('cancelled', 'filtered') AND stored.delivered_version IS NOT NULL THEN 'waiting'
        ELSE excluded.state
    END,
    note = excluded.note,
    payload = excluded.payload,
    collection_id = excluded.collection_id
WHERE excluded.version > stored.version
    OR (excluded.version = stored.version
        AND (:asked_for OR stored.state IN ('pending', 'filtered'))
        AND (excluded.payload, excluded.note) IS DISTINCT FROM (stored.payload, stored.note))
RETURNING state
""")


@dataclass(frozen=True, slots=True)
class Received:
    """What a page brought: orders on it, rows written, and how many of those wait for the account now."""

    orders: int
    written: int
    waiting: int


def receive(
    platform: CloudPlatform, orders: Sequence[Order], collection: CollectedPage, asked_for: bool = False
) -> Received:
    """Keep a page of orders in one statement; only newer versions change anything.

    `asked_for`: a person asked for just this order, so the same version may replace itself.
    """
    newest = _newest(orders)
    if not newest:
        return Received(0, 0, 0)
    states = [state_of(order, platform.marketplaces) for order in newest]
    rows = db.session.execute(
        RECEIVE,
        {
            "account_id": current_account_id(),
            "platform_id": platform.id,
            "collection_id": collection.id,
            "asked_for": asked_for,
            "ids": [order.id for order in newest],
            "versions": [order.version for order in newest],
            "states": [state.value for state, _ in states],
            "notes": [note for _, note in states],
            "payloads": [msgspec.json.encode(order) for order in newest],
        },
    )
    counts = Counter(rows.scalars())
    return Received(len(newest), counts.total(), counts[InboxState.WAITING.value])


def state_of(order: Order, marketplaces: Sequence[str]) -> tuple[InboxState, str]:
    """What becomes of an order, and why, as a sentence to be kept, where that is not plain. Pure."""
    if order.channel == OTHER_CHANNEL:
        return InboxState.FILTERED, kept(sentence("Sold through another channel; the marketplace only ships it."))
    if order.marketplace and order.marketplace not in marketplaces:
        name = order.channel or order.marketplace
        elsewhere = sentence("Sold on %(name)s, which is not among the platform's marketplaces.", name=name)
        return InboxState.FILTERED, kept(elsewhere)
    if order.status == Status.PENDING:
        return InboxState.PENDING, ""
    if order.status == Status.CANCELLED:
        return InboxState.CANCELLED, ""
    if lacks_articles(order):
        return InboxState.PENDING, NO_ARTICLES
    return InboxState.WAITING, ""


def lacks_articles(order: Order) -> bool:
    """True for an order that is to be shipped, but of what the marketplace has not told yet."""
    return not order.lines and order.status in (Status.UNSHIPPED, Status.PARTLY_SHIPPED, Status.SHIPPED)


def _newest(orders: Sequence[Order]) -> list[Order]:
    """Each order once, in its newest version. Sorted by id, so that two writers never wait for each other in turn."""
    newest: dict[str, Order] = {}
    for order in orders:
        if order.id not in newest or order.version > newest[order.id].version:
            newest[order.id] = order
    return [newest[id] for id in sorted(newest)]
