"""Addresses that look alike: two of one customer, perhaps.

There is no list of them anywhere: finding all pairs among a million addresses would mean to compare all
keys. So a page looks at MOST_LOOKED_AT addresses, from the newest number down, and asks for each of them
whether an older one has its name and place, or its e-mail address: a look into an index each. Where these
addresses make no full page of pairs there may be more behind the last of them; the page says so, and goes on
from there. Of an address that is like several only the pair with the oldest is shown, until it is settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, any_, func, literal, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from portal.addresses.models import Address, AddressApart
from portal.extensions import db
from portal.lists import Query, Sort, Window

# Two looks into an index each: some thousandths of a second for all of them.
MOST_LOOKED_AT = 400

NEWEST = Sort("number", (Address.number,), descending=True)


@dataclass(frozen=True)
class Pair:
    """Two addresses that look alike: in name, postcode and street, or in the e-mail address."""

    newer: Address
    older: Address
    alike_in_place: bool


def rows(window: Window) -> list[Pair]:
    """The pairs of one window, by the number of the newer address."""
    newer = _looked_at(window).subquery("newer")
    in_place = _oldest_alike(newer, "place_key").lateral("in_place")
    in_email = _oldest_alike(newer, "email_key").lateral("in_email")
    older_id = func.coalesce(in_place.c.id, in_email.c.id)
    pairs = (
        select(newer.c.id, older_id.label("older_id"), in_place.c.id.is_not(None).label("alike_in_place"))
        .select_from(newer.outerjoin(in_place, true()).outerjoin(in_email, true()))
        .where(older_id.is_not(None))
    )
    found = db.session.execute(window.on(pairs, [newer.c.number])).all()
    ids = literal([id for pair in found for id in (pair.id, pair.older_id)], ARRAY(BigInteger))
    addresses = {address.id: address for address in db.session.scalars(select(Address).where(Address.id == any_(ids)))}
    return [Pair(addresses[pair.id], addresses[pair.older_id], pair.alike_in_place) for pair in found]


def rows_beyond(window: Window) -> list[Pair]:
    """As `rows`, but going on until the window is full or all addresses were looked at."""
    found: list[Pair] = []
    looking: Window | None = window
    while looking is not None and len(found) <= window.rows:
        found += rows(looking)
        last = last_looked_at(looking)
        looking = replace(looking, key=(last,)) if last else None
    return found[: window.rows + 1]


def key_of(pair: Pair) -> tuple[Any, ...]:
    return (pair.newer.number,)


def last_looked_at(window: Window) -> str | None:
    """The number of the last address that the window looks at; None if there is none behind it."""
    numbers: Sequence[str] = db.session.scalars(_looked_at(window).with_only_columns(Address.number)).all()
    return numbers[-1] if len(numbers) == MOST_LOOKED_AT else None


def _looked_at(window: Window) -> Query:
    wide = Window(window.sort, window.key, window.backwards, MOST_LOOKED_AT - 1)  # a window reads one row more
    columns = (Address.id, Address.number, Address.place_key, Address.email_key)
    return wide.on(select(*columns).where(Address.merged_into_id.is_(None)))


def _oldest_alike(newer: Any, key: str) -> Query:
    """The oldest address before this one that has the same key, and of which nobody said that it is another's."""
    older = aliased(Address)
    column = getattr(older, key)
    apart = (
        select(AddressApart.older_id)
        .where(AddressApart.older_id == older.id, AddressApart.newer_id == newer.c.id)
        .correlate(older, newer)
    )
    return (
        select(older.id)
        .where(
            column == newer.c[key],
            column != literal_column("''"),  # as the index says, which serves nothing else
            older.merged_into_id.is_(None),
            older.id < newer.c.id,
            ~apart.exists(),
        )
        .order_by(older.id)
        .limit(1)
    )
