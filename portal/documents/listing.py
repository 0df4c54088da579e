"""The list of documents: filters, orders and search that cost the same however many documents there are.

Under the row policy an index serves only what PostgreSQL calls leakproof (a column compared by `=`,
`<`, `>=`), and only in its own column order. So a filter that is not set is taken as each of its few
values in turn: one short index scan for every combination of state, platform, fulfilment and type,
merged by key. A search first looks up the ids that match, each kind by its own index.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    DateTime,
    Integer,
    String,
    any_,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from portal.addresses.models import Address, NumberRange, Purpose
from portal.automation import made
from portal.documents.models import SHIP_BY_OR_LAST, TO_SHIP, Document, State
from portal.extensions import db
from portal.lists import COUNTED, Column, Query, Sort, Window, count_up_to, is_among, prefix
from portal.platforms.models import DocumentType, Platform
from portal.shipments.models import Shipment

# A search considers this many customers, and this many documents of each, of a number's beginning
# and of a tracking number. More matches than that call for a longer search, and the page says so.
MOST_CUSTOMERS = 100
MOST_OF_ONE = 20

FULFILLED_BY = ("merchant", "marketplace")

# Not the state of one document but the question what is to do: open or partly shipped, and ours to ship.
TO_SHIP_STATE = "to_ship"
STATES_TO_SHIP = (State.OPEN, State.PARTLY_SHIPPED)

# What SHIP_BY_OR_LAST gives a document without a ship-by date.
NO_SHIP_DATE = datetime(9999, 12, 31, tzinfo=UTC)

BY_DATE = Sort("date", (Document.ordered_at, Document.id), descending=True)
BY_NUMBER = Sort("number", (Document.number,), descending=True)
BY_SHIP_DATE = Sort("ship_by", (literal_column(SHIP_BY_OR_LAST, DateTime(timezone=True)), Document.id))

OWN_COLUMNS = (
    Document.id,
    Document.type,
    Document.number,
    Document.order_id,
    Document.platform_id,
    Document.address_id,
    Document.sales_channel,
    Document.state,
    Document.fulfilled_by,
    Document.ordered_at,
    Document.ship_by,
    Document.currency,
    Document.total,
    Document.notice,
    Document.cancel_requested,
)
COLUMNS = (*OWN_COLUMNS, Address.name.label("customer"))


@dataclass(frozen=True)
class Wanted:
    """Which documents a list shows. Dates are days in the tenant's zone, both included."""

    search: str = ""
    state: str | None = None
    platform_id: int | None = None
    fulfilled_by: str | None = None
    type: str | None = None
    since: date | None = None
    until: date | None = None
    fetch_id: int | None = None  # that made them
    actions_id: int | None = None

    @property
    def is_everything(self) -> bool:
        return self == Wanted()

    @property
    def is_unfiltered(self) -> bool:
        """True where a date at most is asked for."""
        return self.state is None and self.platform_id is None and self.fulfilled_by is None and self.type is None

    @property
    def is_looked_up(self) -> bool:
        """True where the documents are found by their ids first."""
        return bool(self.search) or self.fetch_id is not None or self.actions_id is not None

    @property
    def has_dates(self) -> bool:
        return self.since is not None or self.until is not None


@dataclass(frozen=True)
class Found:
    """The documents that a search considers; `cut` where more match than it does.

    `exactly` are those that bear this very number or order id, else this very tracking number.
    """

    ids: list[int]
    cut: bool = False
    exactly: frozenset[int] = frozenset()
    tracked: bool = False


def sorts_of(wanted: Wanted) -> tuple[Sort, ...]:
    """The orders in which these documents can be read without reading them all, the default first."""
    if wanted.is_looked_up:
        return (BY_DATE, BY_NUMBER, BY_SHIP_DATE)
    if wanted.has_dates:
        return (BY_DATE,)
    return (BY_SHIP_DATE, BY_DATE, BY_NUMBER) if wanted.state == TO_SHIP_STATE else (BY_DATE, BY_NUMBER)


def key_of(row: Any, sort: Sort) -> tuple[Any, ...]:
    """Where a row stands in an order."""
    if sort.name == BY_NUMBER.name:
        return (row.number,)
    if sort.name == BY_SHIP_DATE.name:
        return (row.ship_by or NO_SHIP_DATE, row.id)
    return (row.ordered_at, row.id)


def rows(
    wanted: Wanted, window: Window, zone: ZoneInfo, platform_ids: Sequence[int], found: Found | None = None
) -> Sequence[Any]:
    """The documents of one window, in its order. `found` is what `find` found for the search."""
    query = select(*COLUMNS).join(Address, Address.id == Document.address_id)
    if found is not None:
        return db.session.execute(window.among(query, Document.id, *_plain(wanted, zone, found))).all()
    if _served_by_one_index(wanted, window.sort):
        keys = window.on(select(Document.id).where(*_days(wanted, zone))).subquery("keys")
    else:
        combinations = _combinations(wanted, platform_ids, window.sort)
        key = [column.label(f"key{place}") for place, column in enumerate(window.sort.key)]
        scan = window.on(_of(combinations, wanted, zone, window.sort, Document.id, *key)).lateral("scan")
        merged = select(scan.c.id).select_from(combinations).join(scan, true())
        keys = window.ordered(merged, [scan.c[column.name] for column in key]).limit(window.rows + 1).subquery("keys")
    return db.session.execute(window.ordered(query.join(keys, keys.c.id == Document.id), window.sort.key)).all()


def platform_names() -> dict[int, str]:
    """The tenant's platforms, by id, in the order of their numbers."""
    return dict(db.session.execute(select(Platform.id, Platform.name).order_by(Platform.number)).all())


def types_in_use() -> list[DocumentType]:
    """The types of the documents that are there, or that come next.

    What is there the ledgers of their numbers tell at once, by two indexes; none is by type alone.
    """
    found = set(db.session.scalars(_types_in_use()))
    return [type for type in DocumentType if type.value in found]


@cache
def _types_in_use() -> CompoundSelect[Any]:
    borne = select(Document.id).where(Document.number_range_id == NumberRange.id).correlate(NumberRange).limit(1)
    # The lowest number of each: without an order the planner would read through all documents for a type of none.
    plain = borne.where(Document.number_year.is_(None)).order_by(Document.number_value, Document.id)
    yearly = borne.where(Document.number_year.is_not(None)).order_by(
        Document.number_year, Document.number_value, Document.id
    )
    drawn = (
        select(type_coerce(NumberRange.purpose, String))
        .where(NumberRange.purpose != Purpose.ADDRESS)
        .where(func.coalesce(plain.scalar_subquery(), yearly.scalar_subquery()).is_not(None))
    )
    chosen = select(type_coerce(Platform.document_type, String))
    return drawn.union(chosen)


def count(
    wanted: Wanted, zone: ZoneInfo, platform_ids: Sequence[int], found: Found | None = None, most: int = COUNTED
) -> int | None:
    """How many documents these are, None beyond `most`."""
    return count_up_to(counted(wanted, zone, platform_ids, found, most), most)


def counted(
    wanted: Wanted, zone: ZoneInfo, platform_ids: Sequence[int], found: Found | None = None, most: int = COUNTED
) -> Query:
    """A query with a row for each of these documents, or for more than `most` of them."""
    if found is not None:
        return select(Document.id).where(*_plain(wanted, zone, found))
    if wanted.is_unfiltered:
        return select(Document.ordered_at).where(*_days(wanted, zone))
    combinations = _combinations(wanted, platform_ids, BY_DATE)
    scan = _of(combinations, wanted, zone, BY_DATE, Document.ordered_at).limit(most + 1).lateral("scan")
    return select(scan.c.ordered_at).select_from(combinations).join(scan, true())


def looked_up(wanted: Wanted, platform_ids: Sequence[int]) -> Found | None:
    """The documents that a search, a fetch or area actions mean; None where none of them is asked for."""
    if not wanted.is_looked_up:
        return None
    ids: list[Sequence[int]] = []
    if wanted.fetch_id is not None:
        ids.append(made.by_fetch(wanted.fetch_id))
    if wanted.actions_id is not None:
        ids.append(made.by_actions(wanted.actions_id))
    found = find(wanted.search, platform_ids) if wanted.search else Found(list(ids.pop()))
    common = set(found.ids).intersection(*ids)
    return replace(found, ids=sorted(common)[: made.MOST], cut=found.cut or len(common) > made.MOST)


def find(term: str, platform_ids: Sequence[int]) -> Found:
    """The documents a search may mean.

    Order id and tracking number whole; the beginning of the document's number, of the customer's
    name or of his surname.
    """
    term = " ".join(term.split())
    if not term:
        return Found([])
    name = unicodedata.normalize("NFC", term).casefold()
    number = select(Document.id).where(prefix(Document.number, term.upper())).order_by(Document.number.desc())
    customers = union_all(
        *(
            select(select(Address.id).where(prefix(key, name)).order_by(key).limit(MOST_CUSTOMERS).subquery().c.id)
            for key in (Address.name_key, Address.surname_key)
        )
    ).subquery("customers")
    of_customer = (
        select(Document.id)
        .where(Document.address_id == customers.c.id)
        .order_by(Document.ordered_at.desc(), Document.id.desc())
        .limit(MOST_OF_ONE)
        .lateral("of_customer")
    )
    ids = union_all(
        select(literal("exact").label("by"), Document.id).where(of_order(term, platform_ids)),
        select(literal("exact"), Document.id).where(Document.number.in_({term, term.upper()})),
        select(literal("number"), number.limit(MOST_OF_ONE).subquery().c.id),
        select(literal("name"), of_customer.c.id).select_from(customers).join(of_customer, true()),
        select(literal("tracking"), tracked(term).limit(MOST_OF_ONE).subquery().c.document_id),
    )
    by: dict[str, set[int]] = {kind: set() for kind in ("exact", "number", "name", "tracking")}
    for kind, id in db.session.execute(ids):
        by[kind].add(id)
    return Found(
        sorted(set().union(*by.values())),
        cut=max(len(by["number"]), len(by["tracking"])) >= MOST_OF_ONE or len(by["name"]) >= MOST_CUSTOMERS,
        exactly=frozenset(by["exact"] or by["tracking"]),
        tracked=bool(by["tracking"]),
    )


def of_order(order_id: str, platform_ids: Sequence[int]) -> ColumnElement[bool]:
    """The documents of a marketplace order. Naming the platforms lets the unique index serve it."""
    return (Document.platform_id == any_(literal(list(platform_ids), ARRAY(Integer)))) & (Document.order_id == order_id)


def tracked(term: str) -> Query:
    """The shipments with a tracking number, as typed or as carriers write it."""
    spellings = {term, term.replace(" ", ""), term.replace(" ", "").upper()}
    return select(Shipment.document_id, Shipment.id).where(Shipment.tracking_number.in_(sorted(spellings)))


def _served_by_one_index(wanted: Wanted, sort: Sort) -> bool:
    return wanted.is_unfiltered and (sort.name == BY_DATE.name or not wanted.has_dates)


def _combinations(wanted: Wanted, platform_ids: Sequence[int], sort: Sort) -> Any:
    """Each combination of the filters' values that is wanted, as rows."""
    platforms = platform_ids if wanted.platform_id is None else [wanted.platform_id]
    states = [State(wanted.state)] if wanted.state and wanted.state != TO_SHIP_STATE else list(State)
    fulfilled: tuple[str, ...] = FULFILLED_BY if wanted.fulfilled_by is None else (wanted.fulfilled_by,)
    if wanted.state == TO_SHIP_STATE:
        states, fulfilled = list(STATES_TO_SHIP), tuple(by for by in fulfilled if by == "merchant")
    types = list(DocumentType) if wanted.type is None else [DocumentType(wanted.type)]
    if sort.name == BY_SHIP_DATE.name:  # its index holds both states, and every type
        states, types = states[:1], types[:1]
    every = list(product(states, platforms, fulfilled, types))
    return (
        func.unnest(
            literal([state.value for state, _, _, _ in every], ARRAY(String)),
            literal([platform for _, platform, _, _ in every], ARRAY(Integer)),
            literal([by for _, _, by, _ in every], ARRAY(String)),
            literal([type.value for _, _, _, type in every], ARRAY(String)),
        )
        .table_valued("state", "platform_id", "fulfilled_by", "type", name="wanted")
        .render_derived()
    )


def _of(combination: Any, wanted: Wanted, zone: ZoneInfo, sort: Sort, *columns: Column) -> Query:
    """The documents of one combination."""
    query = select(*columns).where(Document.platform_id == combination.c.platform_id, *_days(wanted, zone))
    if sort.name == BY_SHIP_DATE.name:
        query = query.where(literal_column(f"({TO_SHIP})", type_=true().type), combination.c.platform_id.is_not(None))
        return query if wanted.type is None else query.where(Document.type == combination.c.type)
    return query.where(
        Document.state == combination.c.state,
        Document.fulfilled_by == combination.c.fulfilled_by,
        Document.type == combination.c.type,
    )


def _plain(wanted: Wanted, zone: ZoneInfo, found: Found) -> list[ColumnElement[bool]]:
    """The conditions as they stand, for the few documents that a search found."""
    conditions = [is_among(Document.id, found.ids), *_days(wanted, zone)]
    if wanted.state == TO_SHIP_STATE:
        conditions += [or_(*(Document.state == state for state in STATES_TO_SHIP))]
        conditions += [Document.fulfilled_by == "merchant"]
    elif wanted.state is not None:
        conditions.append(Document.state == State(wanted.state))
    if wanted.platform_id is not None:
        conditions.append(Document.platform_id == wanted.platform_id)
    if wanted.fulfilled_by is not None:
        conditions.append(Document.fulfilled_by == wanted.fulfilled_by)
    if wanted.type is not None:
        conditions.append(Document.type == DocumentType(wanted.type))
    return conditions


def _days(wanted: Wanted, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(Document.ordered_at >= start_of(wanted.since, zone))
    if wanted.until is not None:
        conditions.append(Document.ordered_at < start_of(wanted.until + timedelta(days=1), zone))
    return conditions


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The moment a day begins in the zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def wanted_of(values: Mapping[str, Any]) -> Wanted:
    """What the filters of the URL ask for."""
    return Wanted(
        search=values.get("q") or "",
        state=values.get("state"),
        platform_id=values.get("platform"),
        fulfilled_by=values.get("fulfilled_by"),
        type=values.get("type"),
        since=values.get("since"),
        until=values.get("until"),
        fetch_id=values.get("fetch"),
        actions_id=values.get("actions"),
    )
