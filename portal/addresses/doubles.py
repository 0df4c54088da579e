"""Addresses that look alike: two of one customer, perhaps.

There is no list of them anywhere: finding all pairs among a million addresses would mean to compare all
keys. So a page looks at MOST_LOOKED_AT addresses, from the newest number down, and asks for each of them
whether an older one has its name and place, or its e-mail address: a look into an index each. Where these
addresses make no full page of pairs there may be more behind the last of them; the page says so, and goes on
from there. Of an address that is like several only the pair with the oldest is shown, until it is settled.

A search looks at the addresses it means, and at those that may be their newer doubles, in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, literal, literal_column, or_, select, true, union_all
from sqlalchemy.orm import aliased

from portal.addresses import listing
from portal.addresses.models import Address, AddressApart
from portal.extensions import db
from portal.lists import Query, Sort, Window, is_among

# Two looks into an index each: some thousandths of a second for all of them.
MOST_LOOKED_AT = 400

# A search means so many addresses by each of number, name and surname. Of each so many newer ones are looked at, for
# each way of being alike; more of few.
MOST_MEANT = 100
MOST_ALIKE = 4

# Made once: naming all columns of an address anew took 7 % of the page's time.
_OLDER, _NEWER = aliased(Address), aliased(Address)

NEWEST = Sort("number", (Address.number,), descending=True)


@dataclass(frozen=True)
class Pair:
    """Two addresses that look alike: in name, postcode and street, or in the e-mail address."""

    newer: Address
    older: Address
    alike_in_place: bool


@dataclass(frozen=True)
class Found:
    """The ids of the addresses that a search means, and of those among which the newer of a pair may be.

    `cut` where more match than it considers.
    """

    meant: Sequence[int]
    newer: Sequence[int]
    cut: bool


def find(term: str) -> Found:
    """What a search for the beginning of a number, a name or a surname considers."""
    meant, cut = listing.find(term, MOST_MEANT)
    most = max(MOST_ALIKE, MOST_LOOKED_AT // max(len(meant), 1))
    alike = [_alike(meant, key, most) for key in ("place_key", "email_key")]
    newer = db.session.execute(union_all(*alike)).all()
    of_one = Counter((row.key, row.older_id) for row in newer)
    return Found(meant, sorted({*meant, *(row.id for row in newer)}), cut or most in of_one.values())


def rows(window: Window, found: Found | None = None) -> list[Pair]:
    """The pairs of one window, by the number of the newer address: all, or those of a search."""
    newer = _looked_at(window, found).subquery("newer")
    in_place = _oldest_alike(newer, "place_key").lateral("in_place")
    in_email = _oldest_alike(newer, "email_key").lateral("in_email")
    older_id = func.coalesce(in_place.c.id, in_email.c.id)
    pairs = (
        select(newer.c.id, older_id.label("older_id"), in_place.c.id.is_not(None).label("alike_in_place"))
        .select_from(newer.outerjoin(in_place, true()).outerjoin(in_email, true()))
        .where(older_id.is_not(None))
    )
    if found is not None:
        pairs = pairs.where(or_(is_among(newer.c.id, found.meant), is_among(older_id, found.meant)))
    alike = db.session.execute(window.on(pairs, [newer.c.number])).all()
    ids = [id for pair in alike for id in (pair.id, pair.older_id)]
    addresses = {
        address.id: address for address in db.session.scalars(select(Address).where(is_among(Address.id, ids)))
    }
    return [Pair(addresses[pair.id], addresses[pair.older_id], pair.alike_in_place) for pair in alike]


def rows_beyond(window: Window, found: Found | None = None) -> list[Pair]:
    """As `rows`, but going on until the window is full or all addresses were looked at."""
    pairs: list[Pair] = []
    looking: Window | None = window
    while looking is not None and len(pairs) <= window.rows:
        pairs += rows(looking, found)
        last = last_looked_at(looking, found)
        looking = replace(looking, key=(last,)) if last else None
    return pairs[: window.rows + 1]


def of(ids: Sequence[int]) -> list[Pair]:
    """The pairs of which these are the newer addresses, a page of them at most."""
    return rows(Window(NEWEST), Found(ids, ids, cut=False))


def key_of(pair: Pair) -> tuple[Any, ...]:
    return (pair.newer.number,)


def last_looked_at(window: Window, found: Found | None = None) -> str | None:
    """The number of the last address that the window looks at; None if there is none behind it."""
    numbers: Sequence[str] = db.session.scalars(_looked_at(window, found).with_only_columns(Address.number)).all()
    return numbers[-1] if len(numbers) == MOST_LOOKED_AT else None


def _looked_at(window: Window, found: Found | None) -> Query:
    wide = Window(window.sort, window.key, window.backwards, MOST_LOOKED_AT - 1)  # a window reads one row more
    columns = (Address.id, Address.number, Address.place_key, Address.email_key)
    apart = Address.merged_into_id.is_(None)
    if found is None:
        return wide.on(select(*columns).where(apart))
    return wide.among(select(*columns), Address.id, apart, is_among(Address.id, found.newer))


def _alike(meant: Sequence[int], key: str, most: int) -> Query:
    """Of each of these addresses those after it that have the same key, and are not among them: so many at most."""
    column = getattr(_NEWER, key)
    of_one = (
        select(_NEWER.id)
        .where(
            column == getattr(_OLDER, key),
            column != literal_column("''"),  # as below
            _NEWER.merged_into_id.is_(None),
            _NEWER.id > _OLDER.id,
            ~is_among(_NEWER.id, meant),
        )
        .order_by(_NEWER.id)
        .limit(most)
        .lateral("of_one")
    )
    columns = (literal(key).label("key"), _OLDER.id.label("older_id"), of_one.c.id)
    return select(*columns).select_from(_OLDER).join(of_one, true()).where(is_among(_OLDER.id, meant))


def _oldest_alike(newer: Any, key: str) -> Query:
    """The oldest address before this one that has the same key, and of which nobody said that it is another's."""
    column = getattr(_OLDER, key)
    apart = (
        select(AddressApart.older_id)
        .where(AddressApart.older_id == _OLDER.id, AddressApart.newer_id == newer.c.id)
        .correlate(_OLDER, newer)
    )
    return (
        select(_OLDER.id)
        .where(
            column == newer.c[key],
            column != literal_column("''"),  # as the index says, which serves nothing else
            _OLDER.merged_into_id.is_(None),
            _OLDER.id < newer.c.id,
            ~apart.exists(),
        )
        .order_by(_OLDER.id)
        .limit(1)
    )
