"""The dashboard: what came today, what waits, what has to be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import DateTime, Integer, func, literal, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import joinedload

from portal import days
from portal.addresses.service import running_out
from portal.documents.listing import start_of
from portal.documents.models import SHIP_BY_OR_LAST, TO_SHIP, Document, HeldOrder
from portal.extensions import db
from portal.lists import Query, counted, counting
from portal.platforms.models import Platform
from portal.setup.service import guide_of_tenant
from portal.shipments.models import MessageState, Shipment
from portal.tenants.session import current_tenant
from portal.waiting import waiting_in_cloud

bp = Blueprint("dashboard", __name__)

# Counted this far, then "more than": ten thousand index entries take some two milliseconds.
MOST = 10_000


@dataclass(frozen=True)
class Figures:
    """The numbers at the top. None: more than MOST."""

    today: int | None
    held: int | None
    failed: int | None
    to_ship: int | None
    overdue: int | None


@bp.before_request
@login_required
def _signed_in() -> None:
    """Nothing here is for those who are not signed in."""


@bp.get("/")
def index() -> ResponseReturnValue:
    now, zone = datetime.now(UTC), ZoneInfo(current_tenant().time_zone)
    platforms = _platforms()
    last = days.last_days(now, zone)
    guide, others = guide_of_tenant(platforms)
    return render_template(
        "dashboard/index.html",
        figures=_figures(now, zone, platforms),
        platforms=platforms,
        days=last,
        today=last[-1].day,
        most_a_day=days.MOST_A_DAY,
        chart=chart(last),
        guide=guide,
        to_set_up=others,
        running_out=running_out(),
        now=now,
    )


@bp.get("/waiting")
def waiting() -> ResponseReturnValue:
    """What waits in the cloud, for the dashboard to load when it is shown."""
    platforms = [platform for platform in _platforms() if _asks(platform)]
    answers = waiting_in_cloud(platforms)
    return render_template("dashboard/_waiting.html", platforms=platforms, answers=answers)


@dataclass(frozen=True)
class Bar:
    """A day of the chart, in the chart's own units."""

    x: float
    orders_y: float
    orders_height: float
    held_y: float
    held_height: float
    day: days.Day


CHART_HEIGHT = 100.0
BAR_STEP = 20.0


def chart(shown: Sequence[days.Day]) -> list[Bar]:
    """Each day as a bar of orders with the held ones on top, the fullest day at full height. Pure."""
    most = max((day.orders + day.held for day in shown), default=0) or 1
    bars = []
    for place, day in enumerate(shown):
        orders, held = CHART_HEIGHT * day.orders / most, CHART_HEIGHT * day.held / most
        held = max(held, 2.0) if day.held else 0.0  # one held order among thousands still shows
        orders = min(orders, CHART_HEIGHT - held)
        bars.append(Bar(place * BAR_STEP, CHART_HEIGHT - orders, orders, CHART_HEIGHT - orders - held, held, day))
    return bars


def _figures(now: datetime, zone: ZoneInfo, platforms: Sequence[Platform]) -> Figures:
    today = start_of(now.astimezone(zone).date(), zone)
    counts = counting(
        [
            select(Document.ordered_at).where(Document.ordered_at >= today),
            select(HeldOrder.id),
            select(Shipment.id).where(Shipment.state == MessageState.FAILED),
        ],
        MOST,
    )
    to_ship = _to_ship(now, [platform.id for platform in platforms]).subquery("to_ship")
    both = (func.count(), func.count().filter(to_ship.c.is_late))
    return Figures(*counted(counts.add_columns(*both).select_from(to_ship), MOST))


def _to_ship(now: datetime, platform_ids: Sequence[int]) -> Query:
    """A row for each document to ship, MOST + 1 of a platform at most, the most urgent first."""
    platform = func.unnest(literal(list(platform_ids), ARRAY(Integer))).table_valued("id", name="p").render_derived()
    ship_by = literal_column(SHIP_BY_OR_LAST, type_=DateTime(timezone=True))
    open_ = (
        select((ship_by < now).label("is_late"))
        .select_from(Document)
        .where(Document.platform_id == platform.c.id, literal_column(f"({TO_SHIP})", type_=true().type))
        .order_by(ship_by)
        .limit(MOST + 1)
        .lateral()
    )
    return select(open_.c.is_late).select_from(platform).join(open_, true())


def _platforms() -> Sequence[Platform]:
    found: Sequence[Platform] = db.session.scalars(
        select(Platform)
        .options(joinedload(Platform.credential), joinedload(Platform.address_status))
        .order_by(Platform.number)
    ).all()
    return found


def _asks(platform: Platform) -> bool:
    return platform.active and platform.reference is not None
