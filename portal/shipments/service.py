"""Shipping: a parcel is booked, and the marketplace hears of it once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import collate, delete, func, select, text

from jobs.queues import enqueue
from portal.credentials.cloud import Cloud, NotAccepted, NotFound, problem_of
from portal.documents.models import IN_PARCELS, Document, DocumentLine, LineKind, State
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.scope import current_tenant_id
from portal.sentences import kept, sentence
from portal.shipments import tracking
from portal.shipments.models import Carrier, MessageState, Shipment, ShipmentItem
from portal.shipments.parcel import Article, Parcel, Shippable, book, check_number

log = structlog.get_logger()

IN_FLIGHT = (MessageState.QUEUED, MessageState.SENT)

# How long to wait before asking the cloud again. Its events usually come sooner; these are for
# when one is lost, and for a cloud that cannot be reached.
PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(hours=1),
)


# What the marketplace has told of and is in none of the parcels that are left: it left by another way.
TOLD_WITHOUT_IT = (
    "UPDATE document_line l SET elsewhere = greatest(l.elsewhere, l.shipped - {in_parcels}) WHERE l.document_id = :id"
)

# What one click sends again: each is a few statements and a job.
MOST_AT_ONCE = 500


class NotFailed(Refused):
    """Only a report that failed can be sent again."""


def shippable(document: Document) -> Shippable:
    """The document as shipping sees it: its articles, and what of them is on its way already."""
    in_parcels = (
        select(ShipmentItem.position, func.sum(ShipmentItem.quantity).label("shipped"))
        .join(Shipment, Shipment.id == ShipmentItem.shipment_id)
        .where(Shipment.document_id == document.id)
        .group_by(ShipmentItem.position)
        .subquery()
    )
    rows = db.session.execute(
        select(
            DocumentLine.position,
            DocumentLine.reference,
            DocumentLine.article_number,
            DocumentLine.title,
            DocumentLine.quantity,
            func.coalesce(in_parcels.c.shipped, 0) + DocumentLine.elsewhere,
        )
        .outerjoin(in_parcels, in_parcels.c.position == DocumentLine.position)
        .where(DocumentLine.document_id == document.id, DocumentLine.kind == LineKind.ARTICLE)
        .order_by(DocumentLine.position)
    )
    numbers = db.session.scalars(select(Shipment.tracking_number).where(Shipment.document_id == document.id))
    return Shippable(
        state=document.state,
        fulfilled_by=document.fulfilled_by,
        programs=tuple(document.programs),
        cancel_requested=document.cancel_requested,
        ordered_at=document.ordered_at,
        articles=tuple(Article(*row) for row in rows),
        tracking_numbers=frozenset(numbers),
    )


def ship(
    document: Document,
    carrier: Carrier,
    tracking_number: str,
    shipped_at: datetime,
    quantities: Mapping[int, int],
    references: Mapping[int, str] | None = None,
    despite_cancellation: bool = False,
) -> Shipment:
    """Book a parcel and ask for its report. `quantities` maps the document's positions to pieces.

    `references` maps positions to the order items that were seen there; None where they are those of now.

    The document is locked until the transaction ends: two who ship at once never exceed what is
    open, and never share a package reference. Raises a ShipmentRefused; nothing is written then.
    """
    now = datetime.now(UTC)
    _lock(document)
    chosen = {position: quantity for position, quantity in quantities.items() if quantity}
    number = tracking.normalise(tracking_number)
    as_it_is = shippable(document)
    seen = references if references is not None else as_it_is.references
    document.state = book(as_it_is, Parcel(number, shipped_at, chosen, seen, despite_cancellation), now)
    last = db.session.scalar(
        select(func.coalesce(func.max(Shipment.package_reference), 0)).where(Shipment.document_id == document.id)
    )
    shipment = Shipment(
        tenant_id=current_tenant_id(),
        document_id=document.id,
        package_reference=last + 1,
        carrier_id=carrier.id,
        tracking_number=number,
        shipped_at=shipped_at,
        key=str(uuid.uuid4()),
        state=MessageState.QUEUED,
        next_check_at=now,
        items=[
            ShipmentItem(
                position=position, document_id=document.id, tenant_id=current_tenant_id(), quantity=chosen[position]
            )
            for position in sorted(chosen)
        ],
    )
    db.session.add(shipment)
    db.session.flush()
    enqueue("jobs.report.report_shipment", shipment.tenant_id, shipment.id)
    log.info("parcel_booked", document=document.id, shipment=shipment.id, package=shipment.package_reference)
    return shipment


def report(shipment_id: int) -> None:
    """Take a shipment's report one step further: hand it to the cloud, or ask the cloud how it stands.

    The row stays locked during the one call, so that two workers do not talk at cross purposes.
    Killed at any point, a repeat does the same again: the cloud knows the message by its key, and
    the marketplace the parcel by its package reference. Does nothing once confirmed or failed.
    """
    shipment = db.session.scalar(
        select(Shipment)
        .where(Shipment.id == shipment_id, Shipment.state.in_(IN_FLIGHT))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if shipment is None:
        return
    shipment.attempts += 1
    try:
        message = _message(shipment)
    except (NotAccepted, NotFound) as refused:
        _settle(shipment, MessageState.FAILED, kept(refused))
    except Unavailable as later:
        _postpone(shipment, kept(later), later.retry_after)
    except Refused as refused:  # the credential, not this parcel: it goes out once that is put right
        _postpone(shipment, kept(refused))
    else:
        _record(shipment, message)
    db.session.flush()
    log.info("parcel_reported", shipment=shipment.id, state=shipment.state.value, attempts=shipment.attempts)


def retry(shipment: Shipment, carrier: Carrier | None = None, tracking_number: str | None = None) -> None:
    """Send a failed report again, corrected where a carrier or number is given.

    The package reference stays: where the marketplace has the parcel already, this edits it.
    Raises NotFailed, or a ShipmentRefused about the number.
    """
    _lock(shipment.document)
    _lock_parcel(shipment)
    if shipment.state != MessageState.FAILED:
        raise NotFailed(sentence("This report has not failed; it is on its way."))
    if tracking_number is not None:
        number = tracking.normalise(tracking_number)
        others = shippable(shipment.document).tracking_numbers - {shipment.tracking_number}
        check_number(number, others)
        shipment.tracking_number = number
    if carrier is not None:
        shipment.carrier_id = carrier.id
    shipment.state = MessageState.QUEUED
    shipment.problem = None
    shipment.attempts = 0
    shipment.sent_at = None  # the cloud has yet to hear of it: see _message
    shipment.next_check_at = datetime.now(UTC)
    db.session.flush()
    enqueue("jobs.report.report_shipment", shipment.tenant_id, shipment.id)


def take_back(shipment: Shipment) -> None:
    """Forget a parcel whose report failed, since it was wrong or never left: its pieces are to be shipped again.

    The marketplace does not have it. Where it has cancelled the order, and nothing else is out, the document is
    cancelled too. Raises NotFailed; what is on its way, or there, stays.
    """
    document = shipment.document
    _lock(document)
    _lock_parcel(shipment)
    if shipment.state != MessageState.FAILED:
        raise NotFailed(sentence("This report has not failed: the parcel cannot be taken back."))
    log.info("parcel_taken_back", document=document.id, shipment=shipment.id, package=shipment.package_reference)
    db.session.execute(delete(ShipmentItem).where(ShipmentItem.shipment_id == shipment.id))
    db.session.execute(delete(Shipment).where(Shipment.id == shipment.id))
    db.session.execute(text(TOLD_WITHOUT_IT.format(in_parcels=IN_PARCELS)), {"id": document.id})
    db.session.expire_all()
    left = db.session.scalar(select(Shipment.id).where(Shipment.document_id == document.id).limit(1))
    if document.withdrawn and left is None:
        document.state = State.CANCELLED
    elif document.state in (State.SHIPPED, State.PARTLY_SHIPPED):
        document.state = shippable(document).state_of_pieces
    db.session.flush()


def report_anew(shipment_id: int) -> Shipment | None:
    """Take the report one step further at once, also one that has failed: that is sent again as it is. Commits.

    None where it was taken back meanwhile.
    """
    shipment: Shipment | None = db.session.get(Shipment, shipment_id)
    if shipment is None:
        return None
    if shipment.state == MessageState.FAILED:
        try:
            retry(shipment)
        except NotFailed:
            return None
        db.session.commit()  # the document is not locked while the cloud is asked: a whole page may wait for it
    report(shipment_id)
    return shipment


def retry_these(ids: Sequence[int]) -> int:
    """Send those of these reports again that failed; how many there were.

    Documents are locked in the order of their orders' ids, as intake does, or two would wait for each other.
    """
    sent = 0
    wanted = (
        select(Shipment)
        .join(Document, Document.id == Shipment.document_id)
        .where(Shipment.id.in_(ids), Shipment.state == MessageState.FAILED)
        .order_by(Document.platform_id, collate(Document.order_id, "C"), Shipment.id)
    )
    for shipment in db.session.scalars(wanted).all():
        with suppress(NotFailed):  # somebody else was quicker
            retry(shipment)
            sent += 1
    return sent


def last_carrier_id() -> int | None:
    """The carrier of the parcel that was booked last: most firms ship with one."""
    found: int | None = db.session.scalar(select(Shipment.carrier_id).order_by(Shipment.id.desc()).limit(1))
    return found


def ask_soon(key: str) -> bool:
    """The cloud has news of the message with this key: ask for it soon. False where we have no such message."""
    shipment_id = db.session.scalar(select(Shipment.id).where(Shipment.key == key, Shipment.state.in_(IN_FLIGHT)))
    if shipment_id is None:
        return False
    enqueue("jobs.report.report_shipment", current_tenant_id(), shipment_id)
    return True


def message_body(shipment: Shipment) -> dict[str, Any]:
    """What the cloud is told of the parcel. The same shipment gives the same body, byte for byte."""
    rows = db.session.execute(
        select(DocumentLine.reference, func.sum(ShipmentItem.quantity))
        .join(
            ShipmentItem,
            (ShipmentItem.document_id == DocumentLine.document_id) & (ShipmentItem.position == DocumentLine.position),
        )
        .where(ShipmentItem.shipment_id == shipment.id)
        .group_by(DocumentLine.reference)
        .order_by(func.min(DocumentLine.position))
    )
    body: dict[str, Any] = {
        "order_id": shipment.document.order_id,
        "package_reference": str(shipment.package_reference),
        "carrier_code": shipment.carrier.marketplace_code,
        "tracking_number": shipment.tracking_number,
        "shipped_at": shipment.shipped_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "items": [{"reference": reference, "quantity": int(quantity)} for reference, quantity in rows],
    }
    if shipment.carrier.marketplace_name:
        body["carrier_name"] = shipment.carrier.marketplace_name
    if shipment.carrier.shipping_method:
        body["shipping_method"] = shipment.carrier.shipping_method
    return body


def _lock(document: Document) -> None:
    """Lock the document's row and read it anew: intake or a colleague may just have changed it."""
    _read_anew(Document, document.id)


def _lock_parcel(shipment: Shipment) -> None:
    """Lock the parcel's row, behind its document's, and read it anew. Raises NotFailed where it is gone."""
    if not _read_anew(Shipment, shipment.id):
        raise NotFailed(sentence("This parcel was taken back."))


def _read_anew(model: Any, id: int) -> bool:
    """Lock one row, not those a page loaded along with it, and bring the object in memory up to date.

    False where there is none any more.
    """
    db.session.flush()
    query = select(model).where(model.id == id).with_for_update(of=model)
    return db.session.scalar(query, execution_options={"populate_existing": True}) is not None


def _message(shipment: Shipment) -> dict[str, Any]:
    """The cloud's message of this shipment. `sent_at` tells whether the cloud has it in its present form."""
    platform = shipment.document.platform
    if platform.reference is None:
        raise Unavailable(sentence("The platform is not known to the cloud yet. Connect it; the report goes out then."))
    cloud = Cloud.of(platform.credential)
    if shipment.sent_at is not None:
        try:
            return cloud.status(shipment.key)
        except NotFound:  # a cloud that was restored from an older backup
            log.warning("message_unknown_to_cloud", shipment=shipment.id)
    return _hand_over(cloud, platform.reference, shipment.key, message_body(shipment))


def _hand_over(cloud: Cloud, reference: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Give the message to the cloud, for the first time or corrected. May be repeated at any point."""
    try:
        message = cloud.submit_status(reference, key, body)
    except NotAccepted as refused:
        # Perhaps only because it has the key already, with what stood there before the correction.
        try:
            message = cloud.status(key)
        except NotFound:
            raise refused from None
    if message.get("state") == MessageState.FAILED:
        return cloud.retry_status(key, body)
    return message


def _record(shipment: Shipment, message: dict[str, Any]) -> None:
    """Write down what the cloud says of the message."""
    state, problem = message.get("state"), problem_of(message)
    if state not in set(MessageState):
        _postpone(shipment, kept(sentence("The cloud's answer about this parcel makes no sense.")))
        return
    now = datetime.now(UTC)
    shipment.sent_at = _time(message.get("sent_at")) or shipment.sent_at or now
    if state == MessageState.CONFIRMED:
        shipment.confirmed_at = _time(message.get("confirmed_at")) or now
        _settle(shipment, MessageState.CONFIRMED, None)
    elif state == MessageState.FAILED:
        _settle(
            shipment,
            MessageState.FAILED,
            problem or kept(sentence("The marketplace refused the parcel without a reason.")),
        )
    else:
        shipment.state = MessageState(state)
        _postpone(shipment, problem)


def _settle(shipment: Shipment, state: MessageState, problem: str | None) -> None:
    shipment.state = state
    shipment.problem = problem
    shipment.next_check_at = None


def _postpone(shipment: Shipment, problem: str | None, retry_after: float | None = None) -> None:
    """Ask again later; `retry_after` is in seconds and what the cloud wishes for."""
    pause = PAUSES[min(shipment.attempts, len(PAUSES)) - 1]
    wished = min(timedelta(seconds=retry_after or 0), PAUSES[-1])
    shipment.problem = problem
    shipment.next_check_at = datetime.now(UTC) + max(pause, wished)


def _time(text: str | None) -> datetime | None:
    """A time of the cloud's. None where there is none or it cannot be read."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
