"""Orders become documents: planned in memory, written by the page, once each.

Two things make it exactly once. The unique constraint on (tenant, platform, order id)
decides who creates a document, of whatever type. And every writer first locks the number ranges it draws from,
so that what it then reads about the page's orders and buyers stays true until it commits, and
numbers have no gaps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import DataError, IntegrityError, InternalError, NotSupportedError, ProgrammingError

from portal.documents import writing
from portal.documents.arrivals import Arrival, Source, Tally
from portal.documents.customers import Customers
from portal.documents.models import Document, HeldOrder
from portal.documents.plan import Draft, Held, NotWanted, Settings, plan
from portal.documents.revision import Revision, revise
from portal.documents.settings import settings_of
from portal.extensions import db
from portal.order import Collection, Order, Status
from portal.platforms.models import Platform, RemoteKind
from portal.scope import current_tenant_id
from portal.sentences import sentence
from portal.tenants.models import Tenant

log = structlog.get_logger()

# What the database or the driver says when it is a row that is wrong, not the connection.
ROW_REFUSED = (
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    ProgrammingError,
    UnicodeError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A page of orders, and what the newest version of each becomes, by its order id."""

    arrivals: Sequence[Arrival]
    newest: dict[str, Arrival]
    outcomes: dict[str, Draft | Held | NotWanted]


def source_of(platform: Platform, **origin: Any) -> Source:
    """What platform and tenant settle, and `origin` (run_id, attempt, worker, request_id) for the receipts."""
    rule = db.session.get_one(Tenant, platform.tenant_id).match_rule
    guests = platform.guest_status_id or platform.address_status_id
    same_seller = select(Platform.id).where(
        Platform.id != platform.id, Platform.kind == platform.kind, Platform.seller_id == platform.seller_id
    )
    siblings = tuple(db.session.scalars(same_seller.order_by(Platform.id))) if platform.seller_id else ()
    return Source(platform.id, platform.address_status_id, guests, settings_of(platform), rule, siblings, **origin)


def plan_page(arrivals: Sequence[Arrival], settings: Settings, refused: str | None = None) -> Planned:
    """Decide what each order of a page becomes. Pure. With `refused`, each is held for that reason."""
    newest = _newest(arrivals)
    outcomes = {order_id: _plan(arrival.order, settings, refused) for order_id, arrival in newest.items()}
    return Planned(arrivals, newest, outcomes)


def commit_page(source: Source, planned: Planned, collections: Sequence[Collection]) -> Tally:
    """Write a page of orders in one transaction and commit it.

    If the database refuses the page although every order was planned, the page is halved
    until the culprit stands alone; that one is held.
    """
    arrivals = planned.arrivals
    try:
        tally = write_page(source, planned, collections)
        db.session.commit()
    except ROW_REFUSED as refusal:
        db.session.rollback()
        log.warning("page_refused", orders=len(arrivals), error=type(refusal).__name__)
        if len(arrivals) == 1:
            reason = sentence("The database refused this order, so it was put aside whole.")
            tally = write_page(source, plan_page(arrivals, source.settings, refused=reason), collections)
            db.session.commit()
            return tally
        half = len(arrivals) // 2
        tally = commit_page(source, plan_page(arrivals[:half], source.settings), collections)
        tally.add(commit_page(source, plan_page(arrivals[half:], source.settings), collections))
    return tally


def write_page(source: Source, planned: Planned, collections: Sequence[Collection]) -> Tally:
    """Write a page of orders; the caller commits. A constant number of statements, whatever the page's size."""
    arrivals, newest, outcomes = planned.arrivals, planned.newest, planned.outcomes
    page = writing.Page(current_tenant_id(), source.platform_id)
    years = {outcome.document_date.year for outcome in outcomes.values() if isinstance(outcome, Draft)}
    ranges = page.lock_ranges(source.address_status_id, source.guest_status_id, years)
    existing = page.existing(list(outcomes))
    for sibling in source.siblings:
        if elsewhere := [order_id for order_id in outcomes if order_id not in existing]:
            existing |= page.existing(elsewhere, sibling)

    fresh: list[Draft] = []
    revisions: list[Revision] = []
    held: list[Held] = []
    wishes: list[int] = []
    told: list[Draft] = []
    tally = Tally(orders=len(arrivals), repeated=len(arrivals) - len(newest))
    for order_id, outcome in outcomes.items():
        document = existing.get(order_id)
        if isinstance(outcome, Held):
            if document is None or outcome.version > document.version:
                held.append(outcome)
                if document is not None and newest[order_id].order.cancel_requested:
                    wishes.append(document.id)
            else:
                tally.repeated += 1
        elif document is not None:
            delivery = writing.delivery_of(outcome) if isinstance(outcome, Draft) else {}
            revision = revise(document, outcome, delivery)
            if revision is None:
                tally.repeated += 1
            else:
                revisions.append(revision)
                told += [outcome] if isinstance(outcome, Draft) else []
        elif isinstance(outcome, Draft):
            if outcome.unaddressed is None:
                fresh.append(outcome)
            else:
                held.append(outcome.unaddressed)

    customers = page.customers([draft for draft in fresh if draft.address_id is None], source.match_rule)
    fresh, without_number = _numbered(fresh, customers, ranges)
    held += without_number
    still_held = {order.order_id for order in held}
    changed = [revision for revision in revisions if revision.draft is not None]
    noticed = [revision for revision in revisions if revision.event is not None]
    page_id, document_ids, address_ids = page.draw_ids(len(fresh), len(customers.new))
    with page.unanswered():
        page.release_held([(id, newest[id].order.version) for id in outcomes if id not in still_held])
        page.write_customers(customers, address_ids, source, ranges)
        numbers = ranges.draw(fresh, ranges.of_document)
        page.write_documents(fresh, document_ids, numbers, customers)
        page.write_revisions(revisions)
        page.write_wishes(wishes)
        page.write_lines(
            [(id, draft) for id, draft in zip(document_ids, fresh, strict=True)]
            + [(revision.existing.id, revision.draft) for revision in changed if revision.draft is not None]
        )
        page.write_page(page_id, source, collections, len(arrivals))
        page.write_receipts(
            [
                (id, draft.order.version, "created", newest[draft.order.id])
                for id, draft in zip(document_ids, fresh, strict=True)
            ]
            + [
                (revision.existing.id, revision.version, str(revision.event), newest[order_id])
                for order_id, revision in _by_order(noticed, existing).items()
            ],
            page_id,
        )
        page.write_held(held, newest, collections)
        page.note_values(_new_values([*fresh, *told], source.settings))
        page.save_ranges(ranges)

    tally.created = len(fresh)
    tally.changed = len(noticed)
    tally.held = len(held)
    tally.repeated += len(revisions) - len(noticed)
    tally.documents = {draft.order.id: id for id, draft in zip(document_ids, fresh, strict=True)}
    tally.documents.update({order_id: document.id for order_id, document in existing.items()})
    tally.reasons = {order.order_id: order.reason for order in held}
    if source.run_id is not None:
        page.count(source.run_id, source.attempt, tally)
    return tally


@dataclass(frozen=True)
class Retried:
    """How a retry ended: the document, or the reason it is held still, or neither (the order is no longer wanted)."""

    document: int | None = None
    reason: str | None = None


def retry_held(held: HeldOrder, source: Source) -> Retried:
    """Plan and write a held order again, with the settings of now: those of `source`, its platform's.

    What it holds is read once nobody else can write: a fetch may just have brought a newer version, and with a
    cancellation there is nothing left to be tried.
    """
    id, order_id = held.id, held.order_id
    page = writing.Page(current_tenant_id(), source.platform_id)
    page.lock_ranges(source.address_status_id, source.guest_status_id, set())
    still = select(HeldOrder).where(HeldOrder.id == id).with_for_update()
    found: HeldOrder | None = db.session.scalar(still, execution_options={"populate_existing": True})
    if found is None:
        db.session.expire_all()
        return Retried(_document_of(order_id, source))
    held, payload = found, bytes(found.payload)
    collections = [msgspec.convert(held.collection, Collection)] if held.collection else []
    arrival = Arrival(_decoded(held), payload, collections[0].id if collections else 0)
    tally = write_page(source, plan_page([arrival], source.settings), collections)
    # By the database: written anew, the row knows nothing of what is in memory here.
    tried = update(HeldOrder).where(HeldOrder.id == id).values(retries=HeldOrder.retries + 1)
    db.session.execute(tried, execution_options={"synchronize_session": False})
    db.session.expire_all()
    reason = tally.reasons.get(order_id)  # what is held may be a newer version of a document
    return Retried(tally.documents.get(order_id) if reason is None else None, reason)


def _document_of(order_id: str, source: Source) -> int | None:
    """The document that the order is by now, if it is one."""
    of_order = select(Document.id).where(
        Document.platform_id.in_((source.platform_id, *source.siblings)), Document.order_id == order_id
    )
    found: int | None = db.session.scalar(of_order)
    return found


def _plan(order: Order, settings: Settings, refused: str | None) -> Draft | Held | NotWanted:
    if refused is not None:
        return Held(order.id, order.version, "refused", refused)
    try:
        return plan(order, settings)
    except (ArithmeticError, ValueError) as error:
        log.warning("order_not_planned", error=type(error).__name__)
        return Held(order.id, order.version, "unreadable", sentence("The order holds values that make no sense."))


def _numbered(drafts: list[Draft], customers: Customers, ranges: writing.Ranges) -> tuple[list[Draft], list[Held]]:
    """Which of the drafts there are numbers left for, their customers told. The others are held, without a number."""
    written: list[Draft] = []
    held: list[Held] = []
    drawn: Counter[tuple[int, int | None]] = Counter()
    for draft in drafts:
        needed = [ranges.of_document(draft), *([ranges.of_buyer(draft)] if customers.is_new(draft) else [])]
        taken = [(own.id, own.series(draft.document_date.year)) for own in needed]
        spent = next((own for own, of in zip(needed, taken, strict=True) if drawn[of] >= own.left(of[1])), None)
        if spent is not None:
            reason = sentence("The number range “%(range)s” has run out. Give it more numbers.", range=spent.name)
            held.append(Held(draft.order.id, draft.order.version, "numbers", reason, about=spent.name))
            continue
        written.append(draft)
        customers.add(draft)
        drawn.update(taken)
    return written, held


def _new_values(drafts: Sequence[Draft], settings: Settings) -> dict[tuple[RemoteKind, str], str]:
    """The marketplace's words that were never seen before, each with the order that brought it."""
    values: dict[tuple[RemoteKind, str], str] = {}
    for draft in drafts:
        for kind, value in draft.remote_values:
            if value and (kind, value) not in settings.known_values:
                values.setdefault((kind, value), draft.order.id)
    return values


def _newest(arrivals: Sequence[Arrival]) -> dict[str, Arrival]:
    """The newest version of each order, in the order of arrival."""
    newest: dict[str, Arrival] = {}
    for arrival in arrivals:
        known = newest.get(arrival.order.id)
        if known is None or arrival.order.version > known.order.version:
            newest[arrival.order.id] = arrival
    return newest


def _by_order(revisions: list[Revision], existing: dict[str, Any]) -> dict[str, Revision]:
    order_of = {document.id: order_id for order_id, document in existing.items()}
    return {order_of[revision.existing.id]: revision for revision in revisions}


def _decoded(held: HeldOrder) -> Order:
    try:
        return msgspec.json.decode(held.payload, type=Order)
    except ValueError:
        return Order(
            id=held.order_id,
            version=held.version,
            status=Status.UNREADABLE,
            placed_at=datetime.now(UTC),
            problem=held.reason,
        )
