"""Orders: those that wait, their acknowledgement, and one asked for by its id."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response
from msgspec import Raw

from portal.cloud import collection, delivery
from portal.cloud.api import shapes
from portal.cloud.api.bodies import answer, number, read
from portal.cloud.api.describing import Operation, query
from portal.cloud.api.platforms import asking_marketplace, found, unknown
from portal.cloud.api.problems import NOT_CONNECTED, NOT_THIS_SELLERS, Problem
from portal.cloud.models import InboxOrder
from portal.cloud.times import utc
from portal.extensions import db
from portal.sentences import say

bp = Blueprint("cloud_orders", __name__)

DEFAULT_LIMIT = 100
LARGEST_ID = 2**63 - 1

WAITING = "/v1/platforms/<reference>/orders"
ACKNOWLEDGEMENTS = "/v1/platforms/<reference>/acknowledgements"
LOOK_UPS = "/v1/platforms/<reference>/order-look-ups"
ONE = "/v1/platforms/<reference>/orders/<order_id>"
REFETCH = "/v1/platforms/<reference>/orders/<order_id>/refetch"
OPERATIONS = (
    Operation(
        "get",
        WAITING,
        "listWaitingOrders",
        "Undelivered orders, page by page",
        {200: shapes.OrdersPage},
        problems=[404, 422],
        parameters=[
            query(
                "after",
                "The cursor that the page before gave as `next`.",
                {"type": "integer", "minimum": 0, "maximum": LARGEST_ID, "default": 0},
            ),
            query(
                "limit",
                "How many orders at most.",
                {"type": "integer", "minimum": 1, "maximum": shapes.MOST_ORDERS, "default": DEFAULT_LIMIT},
            ),
        ],
        description=(
            "An order stays here until its version is acknowledged, so a page that was lost comes again."
            " Start without `after` to be given all that wait."
        ),
    ),
    Operation(
        "post",
        ACKNOWLEDGEMENTS,
        "acknowledgeOrders",
        "Tell which versions are safe with the account",
        {200: shapes.AcknowledgementTaken},
        takes=shapes.Acknowledgement,
        problems=[404],
        description="An order that has a newer version by now goes on waiting. Unknown orders are passed over.",
    ),
    Operation(
        "post",
        LOOK_UPS,
        "lookUpOrders",
        "Several orders by their ids, in whatever state",
        {200: shapes.OrdersPage},
        takes=shapes.OrderLookUp,
        problems=[404],
        description="Changes nothing: what waits goes on waiting. Orders that are not known are left out.",
    ),
    Operation(
        "get",
        ONE,
        "readOrder",
        "An order in whatever state; 404 if it was never seen, or done and unchanged for a month",
        {200: shapes.StoredOrder},
        problems=[404],
    ),
    Operation(
        "post",
        REFETCH,
        "refetchOrder",
        "Ask the marketplace for an order now",
        {200: shapes.StoredOrder},
        problems=[404, 409, 422],
        description=(
            f"404 with type {NOT_THIS_SELLERS} where the seller has no such order, 409 with type {NOT_CONNECTED}"
            " where the platform is not connected, 503 with Retry-After where the marketplace cannot be asked now."
        ),
    ),
)


@bp.get(WAITING)
def index(reference: str) -> Response:
    after = number("after", 0, 0, LARGEST_ID)
    limit = number("limit", DEFAULT_LIMIT, 1, shapes.MOST_ORDERS)
    page = delivery.waiting(reference, after, limit) if shapes.is_reference(reference) else None
    if page is None:
        raise unknown()
    return Response(page, mimetype="application/json")


@bp.post(ACKNOWLEDGEMENTS)
def acknowledge(reference: str) -> Response:
    platform = found(reference)
    wanted = read(shapes.Acknowledgement)
    versions: dict[str, datetime] = {}
    for order in wanted.orders:
        if order.id not in versions or versions[order.id] < order.version:
            versions[order.id] = order.version
    taken = delivery.acknowledge(platform.id, versions) if versions else 0
    return answer(shapes.AcknowledgementTaken(taken))


@bp.post(LOOK_UPS)
def look_up(reference: str) -> Response:
    platform = found(reference)
    page = delivery.look_up(platform.reference, sorted(set(read(shapes.OrderLookUp).ids)))
    return Response(page or b"", mimetype="application/json")


@bp.get(ONE)
def show(reference: str, order_id: str) -> Response:
    platform = found(reference)
    order = collection.stored_order(platform.id, order_id) if shapes.is_order_id(order_id) else None
    if order is None:
        raise Problem(404, "This order was never seen on this platform, or is done and unchanged for a month.")
    return answer(_shape(order))


@bp.post(REFETCH)
def refetch(reference: str, order_id: str) -> Response:
    platform = found(reference)
    order = None
    if shapes.is_order_id(order_id):
        with asking_marketplace(platform):
            order = collection.refetch(platform, order_id)
    if order is None:
        raise Problem(404, "The marketplace has no such order of this seller.", NOT_THIS_SELLERS)
    return answer(_shape(order))


def _shape(order: InboxOrder) -> shapes.StoredOrder:
    db.session.flush()
    return shapes.StoredOrder(
        id=order.order_id,
        state=order.state,
        note=say(order.note),
        version=utc(order.version),
        delivered_version=utc(order.delivered_version),
        order=Raw(order.payload),
    )
