"""The list of addresses, and the documents of one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, any_, literal, select, union
from sqlalchemy.dialects.postgresql import ARRAY

from portal.addresses.models import Address
from portal.documents.models import Document
from portal.extensions import db
from portal.lists import Filter, Query, Sort, Window, count_up_to, prefix

# A search considers this many addresses of each kind of match, and says so where there are more.
MOST_FOUND = 200

BY_NUMBER = Sort("number", (Address.number,), descending=True)
BY_NAME = Sort("name", (Address.name_key, Address.id))
SORTS = (BY_NUMBER, BY_NAME)
FILTERS = (Filter("q", _l("Search"), str),)

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
NEWEST_DOCUMENTS = Sort("date", (Document.ordered_at, Document.id), descending=True)
DOCUMENT_COLUMNS = (
    Document.id,
    Document.number,
    Document.order_id,
    Document.state,
    Document.ordered_at,
    Document.currency,
    Document.total,
)


def rows(found: Sequence[int] | None, window: Window) -> Sequence[Any]:
    """The addresses of one window: all, or those of `found`."""
    return db.session.execute(window.on(_these(select(*COLUMNS), found))).all()


def count(found: Sequence[int] | None) -> int | None:
    return count_up_to(_these(select(Address.number), found))


def key_of(row: Any, sort: Sort) -> tuple[Any, ...]:
    return (row.number,) if sort.name == BY_NUMBER.name else (row.name_key, row.id)


def find(term: str, most: int = MOST_FOUND) -> tuple[list[int], bool]:
    """The ids of addresses whose number, name or surname begins so, `most` of each; True if more may match."""
    term = " ".join(term.split())
    name = unicodedata.normalize("NFC", term).casefold()
    ids: Sequence[int] = db.session.scalars(
        union(
            *(
                select(select(Address.id).where(prefix(key, start)).order_by(key).limit(most).subquery().c.id)
                for key, start in ((Address.number, term), (Address.name_key, name), (Address.surname_key, name))
            )
        )
    ).all()
    return sorted(ids), len(ids) >= most


def documents(address: Address, window: Window) -> Sequence[Any]:
    """The documents of an address, the newest first."""
    return db.session.execute(window.on(select(*DOCUMENT_COLUMNS).where(Document.address_id == address.id))).all()


def count_documents(address: Address) -> int | None:
    return count_up_to(select(Document.ordered_at).where(Document.address_id == address.id))


def document_key(row: Any) -> tuple[Any, ...]:
    return (row.ordered_at, row.id)


def _these(query: Query, found: Sequence[int] | None) -> Query:
    return query if found is None else query.where(Address.id == any_(literal(list(found), ARRAY(BigInteger))))
