"""The number ledger: every number a range has drawn, with what bears it, or the reason why nothing does.

A range counts upward, once; where it is yearly, once for each year. One such count is a `Series`. Documents and
addresses name it beside their number, so the ledger is read from them; what was left out on purpose lies beside,
in `number_skip`. Whoever draws or skips holds the range locked, so a gap or a repeat is a mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    delete,
    func,
    literal,
    literal_column,
    select,
    union_all,
    update,
)

from portal import lists
from portal.addresses.models import Address, NumberRange, NumberSkip, Purpose
from portal.addresses.numbers import Numbering
from portal.documents.listing import start_of
from portal.documents.models import Document
from portal.extensions import db
from portal.lists import Column, Query, Sort, Window, count_up_to
from portal.scope import current_tenant_id

# The key of a row: its first number, and its id, which is negative where it tells of numbers left out.
FIRST, ID = literal_column("first", BigInteger), literal_column("id", BigInteger)
BY_NUMBER = Sort("number", (FIRST, ID), descending=True)


@dataclass(frozen=True)
class Series:
    """One count of a range: that of a year, or the one that knows no years."""

    range_id: int
    purpose: Purpose
    year: int | None = None


@dataclass(frozen=True)
class Wanted:
    """Which numbers of a series. Dates are days of drawing in the zone, both included."""

    series: Series
    zone: ZoneInfo
    number: int | None = None
    since: date | None = None
    until: date | None = None

    @property
    def is_everything(self) -> bool:
        return self.number is None and self.since is None and self.until is None


def bearer_of(purpose: Purpose) -> type[Document] | type[Address]:
    """What bears the numbers of a purpose."""
    return Address if purpose == Purpose.ADDRESS else Document


def years(number_range: NumberRange) -> list[int | None]:
    """The years whose numbers may be looked at, the default first; None stands for numbers that know no year."""
    begun: list[int | None] = [begun.year for begun in number_range.years]
    if not number_range.yearly:
        return [None, *begun]
    present = number_range.present_year
    found = [present, *(year for year in begun if year != present)]
    return found if last_drawn(number_range, None) is None else [*found, None]


def numbering_of(number_range: NumberRange, year: int | None) -> Numbering:
    """How the numbers of a year, or of none, are written: as today, or as they were before the range was changed."""
    numbering = number_range.numbering_of(year)
    if number_range.yearly == (year is not None):
        return numbering
    series = Series(number_range.id, number_range.purpose, year)
    newest: str | None = db.session.scalar(_newest(series, bearer_of(series.purpose).number))
    return replace(numbering, prefix=newest[: -numbering.digits] if newest else "")


def parse_id(typed: str) -> int | None:
    """The id of a row as it is ticked: that of a skip stands below zero."""
    id = lists.parse_id(typed.removeprefix("-"))
    return -id if id and typed.startswith("-") else id


def rows(wanted: Wanted, window: Window) -> Sequence[Any]:
    """The numbers of one window: first and last (the same but for what was left out), and what there is to say."""
    bearer = bearer_of(wanted.series.purpose)
    documents = window.on(borne(wanted), (bearer.number_value, bearer.id)).subquery()
    skips = window.on(skipped(wanted), (NumberSkip.first, -NumberSkip.id)).subquery()
    merged = union_all(select(documents), select(skips)).subquery()
    keys = window.ordered(select(merged), (merged.c.first, merged.c.id)).limit(window.rows + 1).subquery("keys")
    query = select(
        keys.c.first,
        keys.c.last,
        keys.c.id,
        bearer.number,
        func.coalesce(bearer.created_at, NumberSkip.created_at).label("drawn_at"),
        Address.id.label("address_id"),
        Address.name.label("customer"),
        NumberSkip.reason,
    )
    if bearer is Document:
        tables = keys.outerjoin(Document, Document.id == keys.c.id).outerjoin(
            Address, Address.id == Document.address_id
        )
        query = query.add_columns(Document.order_id)
    else:
        tables = keys.outerjoin(Address, Address.id == keys.c.id)
        query = query.add_columns(literal("").label("order_id"))
    query = query.select_from(tables.outerjoin(NumberSkip, NumberSkip.id == -keys.c.id))
    return db.session.execute(window.ordered(query, (keys.c.first, keys.c.id))).all()


def key_of(row: Any) -> tuple[Any, ...]:
    return (row.first, row.id)


def count(wanted: Wanted) -> int | None:
    every = union_all(borne(wanted), skipped(wanted)).subquery()
    return count_up_to(select(every.c.id))


def number_of(series: Series, numbering: Numbering, typed: str) -> int:
    """The number that is meant by what was typed in a search; one that there is not, where it is none."""
    number = numbering.read(typed)
    if number is None:  # as it was written when the prefix was another one
        bearer = bearer_of(series.purpose)
        bears_it = bearer.number.in_({typed, typed.upper()}), bearer.number_range_id == series.range_id
        number = db.session.scalar(select(bearer.number_value).where(*bears_it))
    return -1 if number is None else number


def last_drawn(number_range: NumberRange, year: int | None) -> int | None:
    """The largest number that was drawn of a year, or of those that know none."""
    series = Series(number_range.id, number_range.purpose, year)
    last: int | None = db.session.scalar(_newest(series, bearer_of(series.purpose).number_value))
    return last


def skip(number_range: NumberRange, year: int | None, first: int, last: int, reason: str, user_id: int | None) -> None:
    """Keep that the numbers from `first` to `last` are left out, and why. The caller holds the range locked."""
    db.session.add(
        NumberSkip(
            tenant_id=current_tenant_id(),
            range_id=number_range.id,
            year=year,
            first=first,
            last=last,
            reason=reason,
            user_id=user_id,
        )
    )


def take_back_skips(number_range: NumberRange, year: int | None, next_number: int) -> None:
    """Numbers from `next_number` on are given out after all. The caller holds the range locked."""
    these = NumberSkip.range_id == number_range.id, NumberSkip.year.is_not_distinct_from(year)
    db.session.execute(delete(NumberSkip).where(*these, NumberSkip.first >= next_number))
    db.session.execute(update(NumberSkip).where(*these, NumberSkip.last >= next_number).values(last=next_number - 1))


def of_series(series: Series) -> list[ColumnElement[bool]]:
    """That a document or address is counted in this series."""
    bearer = bearer_of(series.purpose)
    of_year = bearer.number_year.is_(None) if series.year is None else bearer.number_year == series.year
    return [bearer.number_range_id == series.range_id, of_year]


def skips_of(series: Series) -> list[ColumnElement[bool]]:
    """That numbers of this series were left out."""
    of_year = NumberSkip.year.is_(None) if series.year is None else NumberSkip.year == series.year
    return [NumberSkip.range_id == series.range_id, of_year]


def borne(wanted: Wanted) -> Query:
    """The wanted numbers that something bears, as first, last and id."""
    bearer = bearer_of(wanted.series.purpose)
    number = bearer.number_value
    query = select(number.label("first"), number.label("last"), bearer.id.label("id"))
    query = query.where(*of_series(wanted.series), *_days(bearer.created_at, wanted))
    return query if wanted.number is None else query.where(number == wanted.number)


def skipped(wanted: Wanted) -> Query:
    """The wanted numbers that were left out, as first, last and the id below zero."""
    first, last = NumberSkip.first, NumberSkip.last
    query = select(first.label("first"), last.label("last"), (-NumberSkip.id).label("id"))
    query = query.where(*skips_of(wanted.series), *_days(NumberSkip.created_at, wanted))
    return query if wanted.number is None else query.where(first <= wanted.number, last >= wanted.number)


def _newest(series: Series, column: Column) -> Query:
    return select(column).where(*of_series(series)).order_by(bearer_of(series.purpose).number_value.desc()).limit(1)


def _days(drawn_at: Column, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(drawn_at >= start_of(wanted.since, wanted.zone))
    if wanted.until is not None:
        conditions.append(drawn_at < start_of(wanted.until + timedelta(days=1), wanted.zone))
    return conditions
