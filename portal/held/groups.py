"""Held orders by what holds them: mended once, all that waited for it are tried again together.

A group has a cause and what it is about. The groups are found by leaping from one to the next in the index that
has them in order, and each is counted a little way only: a million held orders cost no more than a few.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import url_for
from sqlalchemy import func, select, true, tuple_

from portal.documents.models import HeldOrder
from portal.extensions import db
from portal.held.service import MOST_AT_ONCE

# More different things than a person mends one by one; the list has the orders of all.
MOST_GROUPS = 30
# And how far each is counted: as many orders as are tried by one click.
MOST_COUNTED = MOST_AT_ONCE


@dataclass(frozen=True)
class Group:
    """Orders that are held by the same: how many (None: more than MOST_COUNTED), and a platform that has some."""

    cause: str
    about: str
    orders: int | None
    platform_id: int

    @property
    def mended_at(self) -> str | None:
        """The page on which it is mended, where there is one for all of them."""
        if self.cause == "unknown_sku":
            return url_for("assignments.index", id=self.platform_id, sku=self.about)
        if self.cause == "resold":
            return url_for("creation.defaults", id=self.platform_id)
        endpoint = {"numbers": "addresses.numbers", "no_tax_rate": "masterdata.tax_rates"}.get(self.cause)
        return url_for(endpoint) if endpoint else None


def groups() -> tuple[list[Group], bool]:
    """MOST_GROUPS groups at most, the largest of them first, and whether there are more."""
    key = HeldOrder.cause, HeldOrder.about
    first = select(*key).order_by(*key).limit(1).subquery()
    leap = select(first.c.cause, first.c.about).cte("leap", recursive=True)
    behind = select(*key).where(tuple_(*key) > tuple_(leap.c.cause, leap.c.about)).order_by(*key).limit(1)
    following = behind.correlate(leap).lateral("following")
    every = leap.union_all(select(following.c.cause, following.c.about).select_from(leap.join(following, true())))
    found = select(every.c.cause, every.c.about).limit(MOST_GROUPS + 1).subquery("found")
    of_group = HeldOrder.cause == found.c.cause, HeldOrder.about == found.c.about
    counted = select(HeldOrder.id).where(*of_group).limit(MOST_COUNTED + 1).correlate(found).subquery("counted")
    orders = select(func.count()).select_from(counted).scalar_subquery().label("orders")
    platform_id = select(HeldOrder.platform_id).where(*of_group).limit(1).scalar_subquery().label("platform_id")
    rows = list(db.session.execute(select(found.c.cause, found.c.about, orders, platform_id)).all())
    rows.sort(key=lambda row: (-row.orders, row.cause, row.about))
    made = [
        Group(row.cause, row.about, row.orders if row.orders <= MOST_COUNTED else None, row.platform_id)
        for row in rows[:MOST_GROUPS]
    ]
    return made, len(rows) > MOST_GROUPS
