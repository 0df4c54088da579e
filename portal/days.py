"""Orders and held orders of the last days, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import DateTime, Integer, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from portal.documents.listing import start_of
from portal.documents.models import Document, HeldOrder
from portal.extensions import db, redis
from portal.scope import current_tenant_id

DAYS = 30
# A day with more orders counts as this many: some 50 ms for all of the month, if every day is that full.
MOST_A_DAY = 20_000
# Days past change little (a late order, a cancelled hold); today is counted anew for every page.
REMEMBERED_SECONDS = 600


@dataclass(frozen=True)
class Day:
    """What came on one day in the tenant's zone, and what of it is held still."""

    day: date
    orders: int
    held: int

    @property
    def is_more(self) -> bool:
        return self.orders >= MOST_A_DAY


def last_days(now: datetime, zone: ZoneInfo) -> list[Day]:
    """The last DAYS days, today last. Past days may be REMEMBERED_SECONDS old."""
    today = now.astimezone(zone).date()
    past = [today - timedelta(back) for back in range(DAYS - 1, 0, -1)]
    name = f"kontor:days:{current_tenant_id()}:{today}:{zone.key}"
    remembered = redis().get(name)
    if remembered is not None:
        days = msgspec.json.decode(remembered, type=list[Day])
    else:
        days = _count(past, zone)
        redis().set(name, msgspec.json.encode(days), ex=REMEMBERED_SECONDS)
    return days + _count([today], zone)


def _count(days: Sequence[date], zone: ZoneInfo) -> list[Day]:
    """One index scan a day and table, cut at MOST_A_DAY."""
    wanted = (
        func.unnest(
            literal(list(range(len(days))), ARRAY(Integer)),
            literal([start_of(day, zone) for day in days], ARRAY(DateTime(timezone=True))),
            literal([start_of(day + timedelta(1), zone) for day in days], ARRAY(DateTime(timezone=True))),
        )
        .table_valued("place", "since", "until", name="wanted")
        .render_derived()
    )
    counts = []
    for moment in (Document.ordered_at, HeldOrder.held_at):
        of_day = select(moment).where(moment >= wanted.c.since, moment < wanted.c.until).limit(MOST_A_DAY)
        rows = of_day.correlate(wanted).subquery()
        counts.append(select(func.count().label("n")).select_from(rows).lateral())
    orders, held = counts
    query = select(wanted.c.place, orders.c.n, held.c.n).select_from(wanted).join(orders, true()).join(held, true())
    return [
        Day(days[place], number, waiting)
        for place, number, waiting in db.session.execute(query.order_by(wanted.c.place))
    ]
