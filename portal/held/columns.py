"""The columns of the list of held orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from portal.held.listing import CAUSES, COMPONENTS
from portal.listings.columns import Column
from portal.presentation import ago, number, tone, words_of
from portal.sentences import say


def columns(platforms: Mapping[int, str]) -> tuple[Column, ...]:
    """`platforms` are the tenant's names, by id."""
    causes, components = words_of(CAUSES), words_of(COMPONENTS)

    def cause(row: Any) -> str:
        return causes.get(row.cause, row.cause)

    def why(row: Any) -> Markup:
        component = components.get(row.component, row.component) if row.component else ""
        told = f' <span class="text-secondary">({escape(component)})</span>' if component else ""
        return Markup(f'<span class="sentence">{escape(say(row.reason))}{told}</span>')  # noqa: S704 - escaped

    return (
        Column("order", _l("Order"), lambda row: row.order_id, classes="tabular text-break", heads=True),
        Column("cause", _l("Cause"), cause, lambda row: tone("attention", cause(row))),
        Column("why", _l("Why it is held"), lambda row: say(row.reason), why),
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
