"""The lists of addresses, of number ranges and of merges."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, case, func, or_, select, union
from sqlalchemy.orm import aliased

from portal.addresses.models import Address, AddressMerge, AddressReference, NumberRange, Purpose
from portal.extensions import db
from portal.lists import Filter, Query, Sort, Window, count_up_to, is_among, prefix
from portal.tenants.models import User

# A search considers this many addresses of each kind of match, and says so where there are more.
MOST_FOUND = 200

# A customer whose orders come without a reference has one for each of them.
MOST_REFERENCES = 10

BY_NUMBER = Sort("number", (Address.number,), descending=True)
BY_NAME = Sort("name", (Address.name_key, Address.id))
SORTS = (BY_NUMBER, BY_NAME)
FILTERS = (Filter("q", _l("Search"), str),)
# Those of documents first.
RANGE_RANKS = {purpose: rank for rank, purpose in enumerate(Purpose)}
RANGE_SORTS = (
    Sort(
        "purpose",
        (case(RANGE_RANKS, value=NumberRange.purpose).cast(BigInteger), NumberRange.name, NumberRange.id),
        reads=lambda row: (RANGE_RANKS[row.purpose], row.name, row.id),
    ),
    Sort("name", (NumberRange.name, NumberRange.id)),
)
MERGE_FILTERS = (Filter("q", _l("Number"), str),)

COLUMNS = (
    Address.id,
    Address.number,
    Address.name,
    Address.company,
    Address.postal_code,
    Address.city,
    Address.country,
    Address.email,
    Address.name_key,
)
NEWEST_MERGES = Sort("merged", (AddressMerge.id,), descending=True)
KEPT, MERGED = aliased(Address), aliased(Address)
MERGE_COLUMNS = (
    AddressMerge.id,
    AddressMerge.kept_id,
    KEPT.number.label("kept_number"),
    KEPT.name.label("kept_name"),
    AddressMerge.merged_id,
    MERGED.number.label("merged_number"),
    MERGED.name.label("merged_name"),
    func.cardinality(AddressMerge.document_ids).label("documents"),
    User.name.label("merged_by"),
    AddressMerge.merged_at,
    AddressMerge.undone_at,
)


def rows(found: Sequence[int] | None, window: Window) -> Sequence[Any]:
    """The addresses of one window: all, or those of `found`."""
    query, conditions = select(*COLUMNS), _conditions(found)
    if found is None:
        return db.session.execute(window.on(query.where(*conditions))).all()
    return db.session.execute(window.among(query, Address.id, *conditions)).all()


def count(found: Sequence[int] | None) -> int | None:
    return count_up_to(select(Address.number).where(*_conditions(found)))


def key_of(row: Any, sort: Sort) -> tuple[Any, ...]:
    return (row.number,) if sort.name == BY_NUMBER.name else (row.name_key, row.id)


def find(term: str, most: int = MOST_FOUND) -> tuple[list[int], bool]:
    """The ids of addresses whose number, name or surname begins so, `most` of each; True if more may match."""
    term = " ".join(term.split())
    name = unicodedata.normalize("NFC", term).casefold()
    ids: Sequence[int] = db.session.scalars(
        union(
            *(
                select(
                    select(Address.id)
                    .where(prefix(key, start), Address.merged_into_id.is_(None))
                    .order_by(key)
                    .limit(most)
                    .subquery()
                    .c.id
                )
                for key, start in ((Address.number, term), (Address.name_key, name), (Address.surname_key, name))
            )
        )
    ).all()
    return sorted(ids), len(ids) >= most


def references(address: Address) -> tuple[Sequence[str], bool]:
    """By what the marketplaces call this customer, MOST_REFERENCES at most; True if there are more."""
    wanted = select(AddressReference.buyer_reference).where(AddressReference.address_id == address.id)
    found = db.session.scalars(wanted.limit(MOST_REFERENCES + 1)).all()
    return sorted(found[:MOST_REFERENCES]), len(found) > MOST_REFERENCES


def merges(number: str | None, window: Window) -> Sequence[Any]:
    """Which addresses were merged, and whether that was undone, the newest first: all, or those of a number."""
    query = _merges(select(*MERGE_COLUMNS), number).outerjoin(User, User.id == AddressMerge.merged_by_id)
    return db.session.execute(window.on(query)).all()


def count_merges(number: str | None) -> int | None:
    return count_up_to(_merges(select(AddressMerge.id), number))


def _merges(query: Query, number: str | None) -> Query:
    query = query.join(KEPT, KEPT.id == AddressMerge.kept_id).join(MERGED, MERGED.id == AddressMerge.merged_id)
    return query if number is None else query.where(or_(KEPT.number == number, MERGED.number == number))


def merge_key(row: Any) -> tuple[Any, ...]:
    return (row.id,)


def _conditions(found: Sequence[int] | None) -> list[ColumnElement[bool]]:
    apart = Address.merged_into_id.is_(None)
    return [apart] if found is None else [apart, is_among(Address.id, found)]
