"""The SQL of intake: one statement a table, rows as arrays, so that a page costs the same however long it is.

Written by hand because it is the hottest path: `INSERT ... SELECT FROM unnest(...)` is twice
as fast here as SQLAlchemy's bulk insert. The arrays are written as PostgreSQL literals (`texts`,
`values`) since the driver's own, element by element, took a third of a page's time
(tests/benchmarks/intake.py). What writes is sent without waiting for its answer (`Page.unanswered`), which hides
the rest of that work behind the database's: a quarter of a page's time.

Plans are the trap. On a table that has not been analyzed yet the planner takes any index that begins
with the tenant, and then reads all of the tenant's rows for every page. So what a page looks up is
looked up by LATERAL (... OFFSET 0), once for each wanted key, which leads to the unique index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import psycopg
from sqlalchemy import CursorResult
from sqlalchemy.exc import DBAPIError

from portal.addresses.matching import MatchRule, email_key, key_of, place_key
from portal.addresses.models import Purpose
from portal.addresses.numbers import FIRST_OF_YEAR, Numbering
from portal.documents.arrivals import Arrival, Source, Tally, payload_hash
from portal.documents.customers import Customers
from portal.documents.models import IN_PARCELS, LineKind, State
from portal.documents.plan import LONGEST_WORD, Draft, DraftLine, Held, Words, clean
from portal.documents.revision import Existing, Revision
from portal.extensions import db
from portal.logs import without_values
from portal.order import Collection
from portal.platforms.models import DocumentType, RemoteKind
from portal.sentences import kept

# The column of an address that a rule looks into.
KEY_COLUMNS = {MatchRule.EMAIL: "email_key", MatchRule.PLACE: "place_key"}
# What the marketplace tells beyond our parcels left by another way, for good: of ours it hears later than we know.
TOLD_SHIPPED = (
    "UPDATE document_line l SET shipped = s.shipped, elsewhere = greatest(l.elsewhere, s.shipped - {in_parcels}) "
    "FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS s(document_id, position, shipped) "
    "WHERE l.document_id = s.document_id AND l.position = s.position"
)
OLDEST_ALIKE = (
    "SELECT wanted.key, a.id FROM unnest(%s::text[]) AS wanted(key) CROSS JOIN LATERAL ("
    "SELECT id FROM address WHERE tenant_id = %s AND {key} = wanted.key AND {key} <> '' AND merged_into_id IS NULL "
    "ORDER BY id LIMIT 1) a"
)


class Drawn(NamedTuple):
    """A number as it is written, and what it is in the ledger."""

    number: str
    range_id: int
    year: int | None
    value: int


@dataclass
class Range:
    """A locked number range. Where it is yearly it has a numbering for each year of the page, else one for None."""

    id: int
    name: str
    yearly: bool
    numberings: dict[int | None, Numbering]

    def series(self, year: int) -> int | None:
        """Among which numbers a document of this year is counted."""
        return year if self.yearly else None

    def left(self, series: int | None) -> int:
        return self.numberings[series].left

    def draw(self, years: Sequence[int]) -> list[Drawn]:
        """The next number for a document of each of these years, in turn. No more than are left.

        Without gaps as long as the transaction commits whole.
        """
        wanted = [self.series(year) for year in years]
        drawn = {series: iter(self._draw(series, count)) for series, count in Counter(wanted).items()}
        return [next(drawn[series]) for series in wanted]

    def _draw(self, series: int | None, count: int) -> list[Drawn]:
        numbering = self.numberings[series]
        first = numbering.next_number
        if count > numbering.left:
            raise ValueError(f"The range {self.id} has {numbering.left} numbers left, not {count}.")
        self.numberings[series] = replace(numbering, next_number=first + count)
        return [Drawn(numbering.written(value), self.id, series, value) for value in range(first, first + count)]


@dataclass
class Ranges:
    """The ranges of a page, those of documents by type. Guests have one of their own where their status is another."""

    documents: Mapping[DocumentType, Range]
    address: Range
    guest: Range

    @property
    def every(self) -> list[Range]:
        """Each of them once."""
        return list({own.id: own for own in (*self.documents.values(), self.address, self.guest)}.values())

    def of_document(self, draft: Draft) -> Range:
        """Where the draft gets its number from."""
        return self.documents[draft.type]

    def of_buyer(self, draft: Draft) -> Range:
        """Where the draft's buyer gets his number from, if he is new."""
        return self.guest if draft.order.is_guest else self.address

    def draw(self, drafts: Sequence[Draft], of: Callable[[Draft], Range]) -> list[Drawn]:
        """A number for each of these, in turn, out of the range that `of` says."""
        years: dict[int, list[int]] = {}
        for draft in drafts:
            years.setdefault(of(draft).id, []).append(draft.document_date.year)
        drawn = {own.id: iter(own.draw(years[own.id])) for own in self.every if own.id in years}
        return [next(drawn[of(draft).id]) for draft in drafts]


def delivery_of(draft: Draft) -> dict[str, Any]:
    """The delivery address as the document keeps it: what is empty is left out."""
    return dict(msgspec.to_builtins(draft.delivery))


def texts(items: Iterable[str | None]) -> str:
    """A PostgreSQL array literal of texts. None becomes NULL."""
    listed = list(items)
    if None in listed:
        return "{" + ",".join("NULL" if item is None else f'"{_escaped(item)}"' for item in listed) + "}"
    if not listed:
        return "{}"
    joined = '","'.join(listed)  # type: ignore[arg-type]
    if "\\" in joined or joined.count('"') != 2 * (len(listed) - 1):
        joined = '","'.join(_escaped(item) for item in listed if item is not None)
    return f'{{"{joined}"}}'


def values(items: Iterable[object]) -> str:
    """A PostgreSQL array literal of what needs no escapes: numbers, dates, times, booleans. None becomes NULL.

    By way of JSON, which differs from it in the brackets only, and is written ten times as fast as by str().
    """
    return "{" + msgspec.json.encode(list(items)).decode()[1:-1] + "}"


def _escaped(item: str) -> str:
    return item.replace("\\", "\\\\").replace('"', '\\"')


class Page:
    """The statements of one page's transaction, on the session's connection."""

    def __init__(self, tenant_id: int, platform_id: int) -> None:
        self.tenant_id = tenant_id
        self.platform_id = platform_id
        self.connection = db.session.connection()

    def lock_ranges(self, status_id: int, guest_status_id: int, years: set[int]) -> Ranges:
        """Lock the ranges for documents and addresses; until commit no other page of the tenant is written.

        Those of every type of documents: a page that was planned before the type was changed must not pass
        by one that was planned behind it. `years` are those of the page's documents.
        """
        # Foreign-key checks are planned once a session. Planned while a table is still empty they
        # would scan it for ever, and a new tenant's first backlog would slow down with every page.
        self._run("SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)", ())
        rows = self._run(
            "SELECT r.id, r.purpose, r.name, r.yearly, r.prefix, r.digits, r.next_number, r.last_number, "
            "ARRAY(SELECT id FROM address_status s WHERE s.number_range_id = r.id) AS statuses "
            "FROM number_range r WHERE r.purpose <> 'address' "
            "OR r.id IN (SELECT number_range_id FROM address_status WHERE id IN (%s, %s)) "
            "ORDER BY r.id FOR UPDATE",
            (status_id, guest_status_id),
        ).all()
        begun = self._years([row.id for row in rows if row.yearly])
        documents: dict[DocumentType, Range] = {}
        addresses: dict[int, Range] = {}  # by status
        for row in rows:
            numbering = Numbering(*tuple(row)[4:8])
            numberings: dict[int | None, Numbering] = {None: numbering}
            if row.yearly:
                numberings = {
                    year: replace(numbering, year=year, next_number=begun.get((row.id, year), FIRST_OF_YEAR))
                    for year in years
                }
            own = Range(row.id, row.name, row.yearly, numberings)
            if row.purpose == Purpose.ADDRESS:
                addresses |= dict.fromkeys(row.statuses, own)
            else:
                documents[DocumentType(row.purpose)] = own
        return Ranges(documents, addresses[status_id], addresses[guest_status_id])

    def _years(self, range_ids: list[int]) -> dict[tuple[int, int], int]:
        """The next number by range and year. Read once the ranges are locked: before, others may be counting on."""
        if not range_ids:
            return {}
        rows = self._run("SELECT range_id, year, next_number FROM number_year WHERE range_id = ANY(%s)", (range_ids,))
        return {(row.range_id, row.year): row.next_number for row in rows}

    def save_ranges(self, ranges: Ranges) -> None:
        drawn = [
            (own.id, year, numbering.next_number) for own in ranges.every for year, numbering in own.numberings.items()
        ]
        self._run(
            "UPDATE number_range r SET next_number = n.next_number "
            "FROM unnest(%s::int[], %s::bigint[]) AS n(id, next_number) "
            "WHERE r.id = n.id AND r.next_number <> n.next_number",
            ([id for id, year, _ in drawn if year is None], [number for _, year, number in drawn if year is None]),
        )
        yearly = [(id, year, number) for id, year, number in drawn if year is not None and number != FIRST_OF_YEAR]
        if yearly:
            self._run(
                "INSERT INTO number_year (tenant_id, range_id, year, next_number) "
                "SELECT %s, n.* FROM unnest(%s::int[], %s::smallint[], %s::bigint[]) AS n "
                "ON CONFLICT (range_id, year) DO UPDATE SET next_number = excluded.next_number "
                "WHERE number_year.next_number <> excluded.next_number",
                (self.tenant_id, *(list(column) for column in zip(*yearly, strict=True))),
            )

    def existing(self, order_ids: list[str], platform_id: int | None = None) -> dict[str, Existing]:
        """The documents that are there for these orders, locked against shipping meanwhile.

        Those of the page's platform, or of another of the same seller's. In the order of the orders' ids, as whoever
        locks several documents does (portal/shipments/service.py), or two would wait for each other.
        """
        rows = self._run(
            "SELECT d.*, EXISTS (SELECT FROM shipment s WHERE s.document_id = d.id) AS has_shipments, "
            "EXISTS (SELECT FROM shipment s WHERE s.document_id = d.id AND s.state <> 'confirmed') AS is_unconfirmed "
            "FROM unnest(%s::text[]) AS wanted(order_id) CROSS JOIN LATERAL ("
            "SELECT order_id, id, type, number, version, state, notice, cancel_requested, delivery, purchase_order, "
            "programs, shipping_level FROM document "
            # In the order of the unique index, which no other index gives without a sort (and none may sort): of a
            # tenant that the statistics do not know yet, any index that begins with him seems as good. One of a list
            # of one: of what is plainly equal the planner sees nothing to sort by, of a range it expects thousands.
            "WHERE tenant_id = %s AND platform_id = %s AND order_id = ANY (ARRAY[wanted.order_id]) "
            "ORDER BY order_id OFFSET 0 FOR UPDATE) d",
            (texts(sorted(order_ids)), self.tenant_id, platform_id or self.platform_id),
        ).all()
        lines = self._lines([row.id for row in rows])
        return {
            row.order_id: Existing(
                row.id,
                DocumentType(row.type),
                row.number,
                row.version,
                State(row.state),
                row.has_shipments,
                row.is_unconfirmed,
                row.notice,
                row.cancel_requested,
                tuple(lines.get(row.id, ())),
                row.delivery,
                Words(row.purchase_order, " ".join(row.programs), row.shipping_level),
            )
            for row in rows
        }

    def draw_ids(self, documents: int, addresses: int) -> tuple[int, list[int], list[int]]:
        """A page id and as many ids of documents and of addresses. Ids may have gaps; numbers may not."""
        row = self._run(
            "SELECT nextval('intake_page_id_seq') AS page, "
            "ARRAY(SELECT nextval('document_id_seq') FROM generate_series(1, %s)) AS documents, "
            "ARRAY(SELECT nextval('address_id_seq') FROM generate_series(1, %s)) AS addresses",
            (documents, addresses),
        ).one()
        return row.page, row.documents, row.addresses

    @contextmanager
    def unanswered(self) -> Iterator[None]:
        """Send statements without waiting for what they say: the database writes one while the next is put together.

        None of them may be asked for rows. What the database refuses is raised by one that follows, or at the end.
        """
        driver: Any = self.connection.connection.driver_connection
        try:
            with driver.pipeline():
                yield
        except psycopg.Error as error:  # from the end; those in between come as SQLAlchemy's
            without_values(error)
            dialect = self.connection.dialect
            raise DBAPIError.instance("the page's statements", None, error, psycopg.Error, dialect=dialect) from error

    def customers(self, drafts: Sequence[Draft], rule: MatchRule) -> Customers:
        """The buyers among these who have bought before: by their reference, the others by the tenant's rule."""
        if not drafts:
            return Customers(rule, {}, {})
        rows = self._run(
            "SELECT a.* FROM unnest(%s::text[]) AS wanted(reference) CROSS JOIN LATERAL ("
            "SELECT buyer_reference, address_id FROM address_reference "
            "WHERE tenant_id = %s AND platform_id = %s AND buyer_reference = wanted.reference OFFSET 0) a",
            (texts(dict.fromkeys(draft.buyer_reference for draft in drafts)), self.tenant_id, self.platform_id),
        )
        known = {row.buyer_reference: row.address_id for row in rows}
        keys = dict.fromkeys(key_of(rule, draft.customer) for draft in drafts if draft.buyer_reference not in known)
        keys.pop("", None)
        return Customers(rule, known, self._alike(KEY_COLUMNS[rule], keys) if keys else {})

    def write_customers(self, customers: Customers, ids: Sequence[int], source: Source, ranges: Ranges) -> None:
        """Make the new customers' addresses with the next numbers, and keep the references not known before."""
        if customers.new:
            numbers = ranges.draw([draft for draft, _ in customers.new], ranges.of_buyer)
            parties = [draft.customer for draft, _ in customers.new]
            names = [party.name.casefold() for party in parties]
            self._run(
                "INSERT INTO address (tenant_id, platform_id, id, status_id, number, name, company, "
                "street, street2, street3, postal_code, city, region, country, phone, email, vat_id, "
                "name_key, surname_key, email_key, place_key, number_range_id, number_year, number_value) "
                "SELECT %s, %s, a.* FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[], %s::text[], "
                "%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], "
                "%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::smallint[], "
                "%s::bigint[]) AS a",
                (
                    self.tenant_id,
                    self.platform_id,
                    values(ids),
                    values(source.status_of(draft) for draft, _ in customers.new),
                    texts(drawn.number for drawn in numbers),
                    texts(party.name for party in parties),
                    texts(party.company for party in parties),
                    texts(party.street for party in parties),
                    texts(party.street2 for party in parties),
                    texts(party.street3 for party in parties),
                    texts(party.postal_code for party in parties),
                    texts(party.city for party in parties),
                    texts(party.region for party in parties),
                    texts(party.country for party in parties),
                    texts(party.phone for party in parties),
                    texts(party.email for party in parties),
                    texts(party.vat_id for party in parties),
                    texts(names),
                    texts(name.rpartition(" ")[2] for name in names),
                    texts(email_key(party.email) for party in parties),
                    texts(place_key(party.name, party.postal_code, party.street) for party in parties),
                    values(drawn.range_id for drawn in numbers),
                    values(drawn.year for drawn in numbers),
                    values(drawn.value for drawn in numbers),
                ),
            )
            for id, (_, customer) in zip(ids, customers.new, strict=True):
                customer.address_id = id
        if customers.references:
            self._run(
                "INSERT INTO address_reference (tenant_id, platform_id, buyer_reference, address_id) "
                "SELECT %s, %s, r.* FROM unnest(%s::text[], %s::bigint[]) AS r",
                (
                    self.tenant_id,
                    self.platform_id,
                    texts(customers.references),
                    values(customer.address_id for customer in customers.references.values()),
                ),
            )

    def write_documents(
        self, drafts: Sequence[Draft], ids: list[int], numbers: list[Drawn], customers: Customers
    ) -> None:
        if not drafts:
            return
        orders = [draft.order for draft in drafts]
        words = [draft.words for draft in drafts]
        self._run(
            "INSERT INTO document (tenant_id, platform_id, id, type, number, address_id, order_id, sales_channel, "
            "state, fulfilled_by, ordered_at, document_date, ship_by, currency, total, delivery, purchase_order, "
            "programs, replaces, cancel_requested, version, tax, tax_case, payment_terms_id, payment_method_id, "
            "shipping_method_id, payment_kind, shipping_level, number_range_id, number_year, number_value) "
            "SELECT %s, %s, d.id, d.type, d.number, d.address_id, d.order_id, d.sales_channel, d.state, "
            "d.fulfilled_by, d.ordered_at, d.document_date, d.ship_by, d.currency, d.total, d.delivery::jsonb, "
            "d.purchase_order, string_to_array(d.programs, ' '), d.replaces, d.cancel_requested, d.version, d.tax, "
            "d.tax_case, d.payment_terms_id, d.payment_method_id, d.shipping_method_id, d.payment_kind, "
            "d.shipping_level, d.number_range_id, d.number_year, d.number_value "
            "FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], "
            "%s::text[], %s::timestamptz[], %s::date[], %s::timestamptz[], %s::text[], %s::numeric[], %s::text[], "
            "%s::text[], %s::text[], %s::text[], %s::bool[], %s::timestamptz[], %s::numeric[], %s::text[], %s::int[], "
            "%s::int[], %s::int[], %s::text[], %s::text[], %s::int[], %s::smallint[], %s::bigint[]) "
            "AS d(id, type, number, address_id, order_id, sales_channel, state, fulfilled_by, ordered_at, "
            "document_date, ship_by, currency, total, delivery, purchase_order, programs, replaces, cancel_requested, "
            "version, tax, tax_case, payment_terms_id, payment_method_id, shipping_method_id, payment_kind, "
            "shipping_level, number_range_id, number_year, number_value)",
            (
                self.tenant_id,
                self.platform_id,
                values(ids),
                texts(draft.type.value for draft in drafts),
                texts(drawn.number for drawn in numbers),
                values(customers.address_of(draft) for draft in drafts),
                texts(order.id for order in orders),
                texts(clean(order.channel) for order in orders),
                texts(draft.state.value for draft in drafts),
                texts(order.fulfilled_by for order in orders),
                values(order.placed_at for order in orders),
                values(draft.document_date for draft in drafts),
                values(order.ship_by for order in orders),
                texts(order.currency for order in orders),
                values(draft.total for draft in drafts),
                texts(msgspec.json.encode(draft.delivery).decode() for draft in drafts),
                texts(word.purchase_order for word in words),
                texts(word.programs for word in words),
                texts(clean(order.replaces) for order in orders),
                values(order.cancel_requested for order in orders),
                values(order.version for order in orders),
                values(draft.tax for draft in drafts),
                texts(draft.tax_case.value for draft in drafts),
                values(draft.payment_terms_id for draft in drafts),
                values(draft.payment_method_id for draft in drafts),
                values(draft.shipping_method_id for draft in drafts),
                texts(clean(order.payment_kind, LONGEST_WORD) for order in orders),
                texts(word.shipping_level for word in words),
                values(drawn.range_id for drawn in numbers),
                values(drawn.year for drawn in numbers),
                values(drawn.value for drawn in numbers),
            ),
        )

    def write_lines(self, documents: Sequence[tuple[int, Draft]]) -> None:
        rows = [(id, position, line) for id, draft in documents for position, line in enumerate(draft.lines, start=1)]
        if not rows:
            return
        self._run(
            "INSERT INTO document_line (tenant_id, document_id, position, kind, reference, article_number, title, "
            "quantity, unit_price, amount, tax_code, tax_rate, tax, shipped, elsewhere) "
            # Nothing of a line that is written is in a parcel of ours.
            "SELECT %s, l.*, l.shipped FROM unnest("
            "%s::bigint[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], "
            "%s::numeric[], %s::numeric[], %s::text[], %s::numeric[], %s::numeric[], %s::int[]) "
            "AS l(document_id, position, kind, reference, article_number, title, quantity, unit_price, amount, "
            "tax_code, tax_rate, tax, shipped)",
            (
                self.tenant_id,
                values(id for id, _, _ in rows),
                values(position for _, position, _ in rows),
                texts(line.kind.value for _, _, line in rows),
                texts(line.reference for _, _, line in rows),
                texts(line.article_number for _, _, line in rows),
                texts(line.title for _, _, line in rows),
                values(line.quantity for _, _, line in rows),
                values(line.unit_price for _, _, line in rows),
                values(line.amount for _, _, line in rows),
                texts(line.tax_code for _, _, line in rows),
                values(line.tax_rate for _, _, line in rows),
                values(line.tax for _, _, line in rows),
                values(line.shipped for _, _, line in rows),
            ),
        )

    def write_revisions(self, revisions: Sequence[Revision]) -> None:
        """Bring documents up to date. Lines that change are taken out here; write_lines puts the new ones in."""
        if not revisions:
            return
        drafts = [revision.draft for revision in revisions]
        words = [revision.words or revision.existing.words for revision in revisions]
        self._run(
            "UPDATE document d SET state = r.state, notice = r.notice, cancel_requested = r.cancel_requested, "
            "withdrawn = d.withdrawn OR r.withdrawn, version = r.version, "
            "total = coalesce(r.total, d.total), ship_by = coalesce(r.ship_by, d.ship_by), "
            "delivery = coalesce(r.delivery::jsonb, d.delivery), "
            "tax = CASE WHEN r.delivery IS NULL THEN d.tax ELSE r.tax END, "
            "tax_case = coalesce(r.tax_case, d.tax_case), purchase_order = r.purchase_order, "
            "programs = string_to_array(r.programs, ' '), shipping_level = r.shipping_level, "
            "shipping_method_id = CASE WHEN r.shipping_level = d.shipping_level THEN d.shipping_method_id "
            "ELSE r.shipping_method_id END "
            "FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bool[], %s::timestamptz[], %s::numeric[], "
            "%s::timestamptz[], %s::text[], %s::numeric[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], "
            "%s::bool[]) "
            "AS r(id, state, notice, cancel_requested, version, total, ship_by, delivery, tax, tax_case, "
            "purchase_order, programs, shipping_level, shipping_method_id, withdrawn) "
            "WHERE d.id = r.id",
            (
                values(revision.existing.id for revision in revisions),
                texts(revision.state.value for revision in revisions),
                texts(revision.notice and kept(revision.notice) for revision in revisions),
                values(revision.cancel_requested for revision in revisions),
                values(revision.version for revision in revisions),
                values(draft.total if draft else None for draft in drafts),
                values(revision.order.ship_by for revision in revisions),
                texts(msgspec.json.encode(draft.delivery).decode() if draft else None for draft in drafts),
                values(draft.tax if draft else None for draft in drafts),
                texts(draft.tax_case.value if draft else None for draft in drafts),
                texts(word.purchase_order for word in words),
                texts(word.programs for word in words),
                texts(word.shipping_level for word in words),
                values(revision.shipping_method_id for revision in revisions),
                values(revision.withdrawn for revision in revisions),
            ),
        )
        changed = [revision.existing.id for revision in revisions if revision.draft is not None]
        if changed:
            self._run("DELETE FROM document_line WHERE document_id = ANY(%s)", (changed,))
        shipped = [(one.existing.id, position, count) for one in revisions for position, count in one.shipped.items()]
        if shipped:
            self._run(
                TOLD_SHIPPED.format(in_parcels=IN_PARCELS),
                tuple(values(column) for column in zip(*shipped, strict=True)),
            )

    def write_wishes(self, document_ids: Sequence[int]) -> None:
        """The buyers of these asked to cancel, by versions that are held: whoever ships is asked all the same."""
        if document_ids:
            self._run(
                "UPDATE document SET cancel_requested = true WHERE id = ANY(%s) AND state <> 'cancelled'",
                (list(document_ids),),
            )

    def write_page(self, page_id: int, source: Source, collections: Sequence[Collection], orders: int) -> None:
        calls = {str(collection.id): msgspec.to_builtins(collection) for collection in collections}
        self._run(
            "INSERT INTO intake_page (id, tenant_id, platform_id, run_id, attempt, worker, request_id, collections, "
            "orders) VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)",
            (
                page_id,
                self.tenant_id,
                self.platform_id,
                source.run_id,
                source.attempt,
                source.worker,
                source.request_id,
                msgspec.json.encode(calls).decode(),
                orders,
            ),
        )

    def write_receipts(self, receipts: Sequence[tuple[int, datetime, str, Arrival]], page_id: int) -> None:
        if not receipts:
            return
        self._run(
            "INSERT INTO receipt (tenant_id, page_id, document_id, version, event, payload_hash, collection) "
            "SELECT %s, %s, r.id, r.version, r.event, decode(r.hash, 'hex'), r.collection "
            "FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::bigint[]) "
            "AS r(id, version, event, hash, collection)",
            (
                self.tenant_id,
                page_id,
                values(id for id, _, _, _ in receipts),
                values(version for _, version, _, _ in receipts),
                texts(event for _, _, event, _ in receipts),
                texts(payload_hash(arrival.payload).hex() for _, _, _, arrival in receipts),
                values(arrival.collection for _, _, _, arrival in receipts),
            ),
        )

    def write_held(self, held: Sequence[Held], arrivals: dict[str, Arrival], collections: Sequence[Collection]) -> None:
        if not held:
            return
        calls = {collection.id: msgspec.json.encode(collection).decode() for collection in collections}
        self._run(
            "INSERT INTO held_order (tenant_id, platform_id, order_id, version, cause, reason, component, about, "
            "payload, collection) SELECT %s, %s, h.order_id, h.version, h.cause, h.reason, h.component, h.about, "
            "h.payload, h.collection::jsonb FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], "
            "%s::text[], %s::text[], %s::bytea[], %s::text[]) "
            "AS h(order_id, version, cause, reason, component, about, payload, collection) "
            "ON CONFLICT (tenant_id, platform_id, order_id) DO UPDATE SET version = excluded.version, "
            "cause = excluded.cause, reason = excluded.reason, component = excluded.component, "
            "about = excluded.about, payload = excluded.payload, collection = excluded.collection "
            "WHERE excluded.version >= held_order.version",
            (
                self.tenant_id,
                self.platform_id,
                texts(order.order_id for order in held),
                values(order.version for order in held),
                texts(order.cause for order in held),
                texts(kept(order.reason) for order in held),
                texts(order.component for order in held),
                texts(order.about for order in held),
                [arrivals[order.order_id].payload for order in held],
                texts(calls.get(arrivals[order.order_id].collection) for order in held),
            ),
        )

    def release_held(self, versions: Sequence[tuple[str, datetime]]) -> None:
        """Orders that are no longer held: this version, or a newer one, went through."""
        if not versions:
            return
        self._run(
            "DELETE FROM held_order WHERE id IN (SELECT h.id "
            "FROM unnest(%s::text[], %s::timestamptz[]) AS went(order_id, version) CROSS JOIN LATERAL ("
            "SELECT id FROM held_order WHERE tenant_id = %s AND platform_id = %s AND order_id = went.order_id "
            "AND version <= went.version OFFSET 0) h)",
            (
                texts(order_id for order_id, _ in versions),
                values(version for _, version in versions),
                self.tenant_id,
                self.platform_id,
            ),
        )

    def note_values(self, seen: Mapping[tuple[RemoteKind, str], str]) -> None:
        """List the marketplace's words that nobody has mapped yet, each with the order that brought it."""
        if not seen:
            return
        self._run(
            "INSERT INTO remote_value (tenant_id, platform_id, kind, value, order_id) "
            "SELECT %s, %s, v.* FROM unnest(%s::text[], %s::text[], %s::text[]) AS v ON CONFLICT DO NOTHING",
            (
                self.tenant_id,
                self.platform_id,
                texts(kind.value for kind, _ in seen),
                texts(value for _, value in seen),
                texts(seen.values()),
            ),
        )

    def count(self, run_id: int, attempt: int, tally: Tally) -> None:
        """Add the page to the run's counts, in the same transaction. One that only repeats gets the run no further."""
        counts = (tally.orders, tally.created, tally.changed, tally.held, tally.repeated)
        self._run(
            "UPDATE run SET orders = orders + %s, created = created + %s, changed = changed + %s, held = held + %s, "
            "repeated = repeated + %s, fruitless = CASE WHEN %s THEN 0 ELSE fruitless END "
            "WHERE id = %s AND attempt = %s",
            (*counts, bool(tally.created + tally.changed + tally.held), run_id, attempt),
        )

    def _alike(self, column: str, keys: Iterable[str]) -> dict[str, int]:
        """Key to address id, of the oldest address that bears the key and was not merged into another."""
        rows = self._run(OLDEST_ALIKE.format(key=column), (texts(keys), self.tenant_id))
        return {row.key: row.id for row in rows}

    def _lines(self, document_ids: list[int]) -> dict[int, list[DraftLine]]:
        lines: dict[int, list[DraftLine]] = {}
        if not document_ids:
            return lines
        for row in self._run(
            "SELECT document_id, kind, reference, article_number, title, quantity, unit_price, amount, tax_code, "
            "tax_rate, tax, shipped FROM document_line WHERE document_id = ANY(%s) ORDER BY document_id, position",
            (document_ids,),
        ):
            lines.setdefault(row.document_id, []).append(DraftLine(LineKind(row.kind), *tuple(row)[2:]))
        return lines

    def _run(self, statement: str, values: tuple[Any, ...]) -> CursorResult[Any]:
        return self.connection.exec_driver_sql(statement, values)
