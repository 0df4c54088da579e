"""The page of the sandbox, where a person plays the buyers and switches faults."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from msgspec import structs

from portal.sandbox import changes, times
from portal.sandbox.amazon import playing
from portal.sandbox.faults import ANY, OPERATIONS, Fault
from portal.sandbox.faults import KINDS as FAULTS
from portal.sandbox.marketplaces import MARKETPLACES, find
from portal.sandbox.orderbook import Entry
from portal.sandbox.orders import KINDS, MIX, Wish

bp = Blueprint("pages", __name__)

_SHOWN = 50
_MOST_AT_ONCE = 5_000
_TONES = {
    "UNSHIPPED": "waiting",
    "PARTIALLY_SHIPPED": "waiting",
    "SHIPPED": "done",
    "CANCELLED": "off",
    "PENDING": "person",
}


@bp.before_request
def refuse_other_sites() -> None:
    """A form of another site must not place orders here; browsers say where a form comes from."""
    origin = request.headers.get("Origin")
    if request.method == "POST" and origin and urlsplit(origin).netloc != request.host:
        abort(403)


@bp.get("/")
def index() -> str:
    amazon = playing()
    authorized = amazon.grants.authorized()
    return render_template(
        "sandbox/index.html",
        url=amazon.public_url,
        kinds=KINDS | {MIX: "A mix of all"},
        marketplaces=MARKETPLACES,
        sellers=amazon.sellers.all(),
        authorized={seller: _time(moment) for seller, moment in authorized.items()},
        orders=[_row(entry) for entry in amazon.orders.newest(_SHOWN)],
        count=amazon.orders.count(),
        rate=amazon.settings.orders_per_minute,
        faults=amazon.faults.all(),
        fault_kinds=FAULTS,
        operations=[ANY, *OPERATIONS],
        calls=amazon.calls.counts(),
    )


@bp.post("/desk/orders")
def place() -> ResponseReturnValue:
    form = request.form
    try:
        count = int(form.get("count", "1"))
        if not 0 < count <= _MOST_AT_ONCE:
            raise ValueError(f"Between 1 and {_MOST_AT_ONCE} orders can be placed at once.")
        wish = Wish(form.get("kind", "plain"), marketplace=_chosen_marketplace(form.get("marketplace", "")))
        placed = playing().place(wish, count, seller=form.get("seller") or None)
    except (ValueError, LookupError) as wrong:
        flash(str(wrong.args[0]), "failed")
    else:
        flash(f"{len(placed)} orders placed." if len(placed) > 1 else f"Order {placed[0]} placed.", "done")
    return _back()


@bp.post("/desk/orders/<order_id>/cancellation")
def cancel(order_id: str) -> ResponseReturnValue:
    return _change(order_id, changes.cancel, "is cancelled.")


@bp.post("/desk/orders/<order_id>/release")
def release(order_id: str) -> ResponseReturnValue:
    return _change(order_id, changes.release, "is released.")


@bp.post("/desk/orders/<order_id>/cancellation-request")
def request_cancellation(order_id: str) -> ResponseReturnValue:
    return _change(order_id, changes.request_cancellation, "bears the buyer's request to cancel.")


@bp.post("/desk/orders/<order_id>/shipment")
def ship(order_id: str) -> ResponseReturnValue:
    return _change(order_id, lambda order: changes.ship_elsewhere(order, playing().chance), "was shipped elsewhere.")


@bp.post("/desk/rate")
def set_rate() -> ResponseReturnValue:
    amazon = playing()
    try:
        rate = float(request.form.get("orders_per_minute", "0"))
        if not 0 <= rate <= 600:
            raise ValueError
    except ValueError:
        flash("The rate is a number from 0 to 600.", "failed")
    else:
        amazon.set(structs.replace(amazon.settings, orders_per_minute=rate))
        flash(f"{rate:g} orders a minute from now on.", "done")
    return _back()


@bp.post("/desk/faults")
def switch_on() -> ResponseReturnValue:
    form = request.form
    try:
        fault = Fault(
            fault=form.get("fault", ""),
            operation=form.get("operation", ANY),
            times=int(form["times"]) if form.get("times") else None,
            probability=float(form.get("probability") or 100) / 100,
            seconds=float(form.get("seconds") or 5),
        )
        playing().faults.switch_on(fault)
    except ValueError as wrong:
        flash(str(wrong), "failed")
    else:
        flash(f"Switched on: {FAULTS[fault.fault]}.", "done")
    return _back()


@bp.post("/desk/faults/<int:fault_id>/removal")
def switch_off(fault_id: int) -> ResponseReturnValue:
    playing().faults.switch_off(fault_id)
    flash("Switched off.", "done")
    return _back()


@bp.post("/desk/sellers/<seller_id>/revocation")
def revoke(seller_id: str) -> ResponseReturnValue:
    try:
        seller = playing().sellers.find(seller_id)
    except LookupError:
        abort(404)
    playing().grants.revoke(seller.id)
    flash(f"{seller.name} has withdrawn the access.", "done")
    return _back()


def _change(order_id: str, change: Any, what: str) -> ResponseReturnValue:
    try:
        playing().change(order_id, change)
    except LookupError:
        abort(404)
    except changes.Impossible as impossible:
        flash(str(impossible), "failed")
    else:
        flash(f"Order {order_id} {what}", "done")
    return _back()


def _back() -> ResponseReturnValue:
    return redirect(url_for("pages.index"), 303)


def _chosen_marketplace(word: str) -> Any:
    return find(word) if word else None


def _row(entry: Entry) -> dict[str, Any]:
    """What the list shows of an order. Orders placed as they are may lack any of it."""
    row: dict[str, Any] = {
        "id": entry.order_id,
        "time": _time(entry.created),
        "updated": times.text(entry.updated),
        "status": entry.status,
        "tone": _TONES.get(entry.status, "off"),
        "notes": [],
        "packages": [],
    }
    try:
        order = entry.order
        total = order.get("proceeds", {}).get("grandTotal", {})
        row["total"] = f"{total['amount']} {total['currencyCode']}" if total else ""
        row["name"] = order.get("buyer", {}).get("buyerName", "")
        row["articles"] = ", ".join(
            f"{item['quantityOrdered']} × {item['product'].get('sellerSku', '?')}" for item in order["orderItems"][:5]
        )
        row["channel"] = order["salesChannel"].get("marketplaceName", order["salesChannel"]["channelName"])
        row["packages"] = order.get("packages", [])
        row["notes"] = _notes(order)
    except (ValueError, KeyError, TypeError, AttributeError):
        row["articles"] = "placed as it is; cannot be read"
    return row


def _notes(order: dict[str, Any]) -> list[str]:
    notes = [program.replace("_", " ").title() for program in order.get("programs", [])]
    if order.get("fulfillment", {}).get("fulfilledBy") == "AMAZON":
        notes.append("Fulfilled by Amazon")
    if order.get("associatedOrders"):
        notes.append("Replacement")
    if any("cancellationRequest" in item.get("cancellation", {}) for item in order["orderItems"]):
        notes.append("Buyer asks to cancel")
    return notes


def _time(moment: int) -> str:
    return times.text(moment - moment % times.SECOND).replace("T", " ").replace("Z", " UTC")
