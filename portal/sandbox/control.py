"""The other side of the stage: a JSON API under /_sandbox/ by which tests place orders and switch faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response, request
from msgspec import UnsetType

from portal.sandbox import changes, orders, times
from portal.sandbox.amazon import playing
from portal.sandbox.faults import Fault
from portal.sandbox.marketplaces import REGIONS, find
from portal.sandbox.plans import NAMED, Plan, Plans
from portal.sandbox.settings import Settings
from portal.sandbox.wishes import (
    Cancellation,
    Change,
    OneSeller,
    OrdersWanted,
    PieceWanted,
    Reset,
    SellerWanted,
    ShippedElsewhere,
)

bp = Blueprint("control", __name__, url_prefix="/_sandbox")

Json = dict[str, Any]
T = TypeVar("T")

# What one request may place; more is a typing error.
_MOST_ORDERS = 50_000


@bp.get("/health")
def health() -> Response:
    return _json({"status": "ok", "orders": playing().orders.count()})


@bp.post("/orders")
def place() -> Response:
    wanted = _read(OrdersWanted)
    amazon = playing()
    updated = times.parse(wanted.updated_at) if wanted.updated_at else None
    if not isinstance(wanted.raw, UnsetType):
        body, order_id = _own_words(wanted)
        amazon.place_as_it_is(body, order_id, seller=wanted.seller, updated=updated, late=wanted.late)
        return _json({"orders": [order_id]}, 201)
    if not 0 < wanted.count <= _MOST_ORDERS:
        raise ValueError(f"Between 1 and {_MOST_ORDERS} orders can be placed at once.")
    wish = orders.Wish(
        kind=wanted.kind,
        placed_at=times.parse(wanted.placed_at) if wanted.placed_at else 0,
        marketplace=find(wanted.marketplace) if wanted.marketplace else None,
        lines=wanted.lines,
        items=[_piece(piece) for piece in wanted.items],
        address=wanted.address,
        replaces=wanted.replaces,
    )
    placed = amazon.place(
        wish,
        wanted.count,
        seller=wanted.seller,
        updated=updated,
        late=wanted.late,
        spread=int(wanted.spread_days * times.DAY),
    )
    return _json({"orders": placed}, 201)


@bp.get("/orders/<order_id>")
def show(order_id: str) -> Response:
    """The order with every dataset, whatever its age."""
    return Response(playing().entry(order_id).body, mimetype="application/json")


@bp.post("/orders/<order_id>/cancel")
def cancel(order_id: str) -> Response:
    wanted = _read(Cancellation)
    playing().change(order_id, changes.cancel, wanted.cancelled_by, wanted.reason)
    return show(order_id)


@bp.post("/orders/<order_id>/ship")
def ship(order_id: str) -> Response:
    wanted, amazon = _read(ShippedElsewhere), playing()
    amazon.change(order_id, changes.ship_elsewhere, amazon.chance, wanted.tracking_number, wanted.carrier)
    return show(order_id)


@bp.post("/orders/<order_id>/release")
def release(order_id: str) -> Response:
    playing().change(order_id, changes.release)
    return show(order_id)


@bp.post("/orders/<order_id>/change")
def change(order_id: str) -> Response:
    wanted, amazon = _read(Change), playing()
    with amazon.store.transaction():
        if wanted.quantity is not None:
            amazon.change(order_id, changes.change_quantity, wanted.quantity, wanted.order_item_id)
        if wanted.address is not None:
            amazon.change(order_id, changes.change_address, wanted.address)
        if wanted.cancellation_request is not None:
            amazon.change(order_id, changes.request_cancellation, wanted.cancellation_request)
    return show(order_id)


@bp.get("/faults")
def faults() -> Response:
    return _json({"faults": playing().faults.all()})


@bp.post("/faults")
def switch_on() -> Response:
    return _json(playing().faults.switch_on(_read(Fault)), 201)


@bp.delete("/faults")
@bp.delete("/faults/<int:fault_id>")
def switch_off(fault_id: int | None = None) -> Response:
    playing().faults.switch_off(fault_id)
    return Response(status=204)


@bp.get("/sellers")
def sellers() -> Response:
    amazon = playing()
    authorized = amazon.grants.authorized()
    return _json(
        {
            "sellers": [
                {
                    "seller": seller.id,
                    "name": seller.name,
                    "region": seller.region,
                    "authorized_at": times.text(authorized[seller.id]) if seller.id in authorized else None,
                }
                for seller in amazon.sellers.all()
            ]
        }
    )


@bp.post("/sellers")
def add_seller() -> Response:
    wanted = _read(SellerWanted)
    if wanted.region not in REGIONS:
        raise ValueError(f"There is no region {wanted.region!r}; there are {', '.join(REGIONS)}.")
    seller = playing().sellers.add(wanted.name, wanted.region)
    return _json({"seller": seller.id, "name": seller.name, "region": seller.region}, 201)


@bp.post("/authorizations")
def authorize() -> Response:
    """What a seller's consent leads to, without the consent page."""
    amazon = playing()
    seller = amazon.sellers.find(_read(OneSeller).seller)
    return _json({"seller": seller.id, "refresh_token": amazon.grants.issue_refresh_token(seller.id)}, 201)


@bp.post("/revoke")
def revoke() -> Response:
    amazon = playing()
    seller = amazon.sellers.find(_read(OneSeller).seller)
    return _json({"seller": seller.id, "revoked": amazon.grants.revoke(seller.id)})


@bp.get("/calls")
def calls() -> Response:
    log = playing().calls
    listed = log.list(request.args.get("operation"), request.args.get("order_id"))
    return _json({"calls": listed, "counts": log.counts()})


@bp.delete("/calls")
def forget_calls() -> Response:
    playing().calls.clear()
    return Response(status=204)


@bp.get("/confirmations")
def confirmations() -> Response:
    return _json({"confirmations": playing().confirmations.list(request.args.get("order_id"))})


@bp.get("/settings")
def settings() -> Response:
    return _json(playing().settings)


@bp.post("/settings")
def set_settings() -> Response:
    """Change those that are named. `plans` is a name, or the plans of some operations."""
    amazon = playing()
    wanted = _read(Json)
    now = msgspec.to_builtins(amazon.settings)
    if "plans" in wanted:
        wanted["plans"] = _plans(wanted["plans"], amazon.settings.plans)
    amazon.set(msgspec.convert(now | msgspec.to_builtins(wanted), Settings))
    return _json(amazon.settings)


@bp.post("/reset")
def reset() -> Response:
    playing().reset(_read(Reset).everything)
    return Response(status=204)


@bp.errorhandler(LookupError)
def not_there(error: LookupError) -> Response:
    return _json({"error": str(error.args[0]) if error.args else "There is no such thing."}, 404)


@bp.errorhandler(ValueError)
@bp.errorhandler(msgspec.MsgspecError)
def not_understood(error: Exception) -> Response:
    return _json({"error": str(error)}, 400)


@bp.errorhandler(changes.Impossible)
def not_possible(error: changes.Impossible) -> Response:
    return _json({"error": str(error)}, 409)


def _read(kind: Callable[..., T]) -> T:
    """The body as this type. It must say that it is JSON: a form of another site cannot."""
    body = request.get_data()
    if body and request.mimetype != "application/json":
        raise ValueError("Content-Type: application/json is needed.")
    return msgspec.json.decode(body or b"{}", type=kind)


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, mimetype="application/json")


def _piece(wanted: PieceWanted) -> orders.Piece:
    return orders.Piece(
        sku=wanted.sku,
        title=wanted.title,
        unit_price=wanted.price,
        quantity=wanted.quantity,
        shipping=wanted.shipping,
        gift_wrap=wanted.gift_wrap,
        discount=wanted.discount,
        shipping_discount=wanted.shipping_discount,
        tax_rate=wanted.tax_rate,
    )


def _own_words(wanted: OrdersWanted) -> tuple[bytes, str]:
    """The bytes to be served, and the id under which they are found."""
    body = bytes(wanted.raw)  # type: ignore[arg-type]
    value = msgspec.json.decode(body)
    if isinstance(value, str):
        body = value.encode()
    named = value.get("orderId") if isinstance(value, dict) else None
    order_id = wanted.order_id or (named if isinstance(named, str) and named else None)
    return body, order_id or orders.order_id(find("DE"), playing().chance)


def _plans(wanted: Any, present: dict[str, Plan]) -> Plans:
    if isinstance(wanted, str):
        return NAMED[wanted]
    plans = msgspec.convert(wanted, dict[str, Plan])
    unknown = set(plans) - set(present)
    if unknown:
        raise ValueError(f"There is no operation {', '.join(sorted(unknown))}.")
    return {**present, **plans}
