"""The columns of the list of held orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.held.listing import CAUSES, COMPONENTS
from portal.listings.columns import Column
from portal.presentation import ago, number, tone
from portal.sentences import say


def columns(platforms: Mapping[int, str]) -> tuple[Column, ...]:
    """`platforms` are the tenant's names, by id."""
    return (
        Column("order", _l("Order"), lambda row: row.order_id, classes="tabular text-break", heads=True),
        Column("cause", _l("Cause"), _cause, lambda row: tone("attention", _cause(row))),
        Column("why", _l("Why it is held"), lambda row: say(row.reason), _why),
        Column("platform", _l("Platform"), lambda row: platforms.get(row.platform_id, "–")),
        Column("held", _l("Held"), lambda row: row.held_at, lambda row: ago(row.held_at)),
        Column(
            "tried_again",
            _l("Tried again"),
            lambda row: row.retries,
            lambda row: number(row.retries),
            classes="num",
        ),
    )


def _cause(row: Any) -> str:
    return str(CAUSES.get(row.cause, row.cause))


def _why(row: Any) -> Markup:
    component = COMPONENTS.get(row.component, row.component) if row.component else None
    told = Markup(' <span class="text-secondary">(') + str(component) + Markup(")</span>") if component else ""
    return Markup('<span class="sentence">') + say(row.reason) + told + Markup("</span>")
