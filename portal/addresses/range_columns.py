"""The columns of the lists of number ranges and of address statuses, which have a range each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.addresses.forms import PURPOSES
from portal.addresses.models import NumberRange
from portal.addresses.numbers import Numbering
from portal.listings.columns import Column, leading
from portal.presentation import address_of, icon, number, tone


def of_ranges() -> tuple[Column, ...]:
    ledger, button = address_of("addresses.show_ledger"), leading(icon("list-check") + _("Number ledger"))
    following, left = _following(lambda number_range: number_range.numbering)
    return (
        Column("name", _l("Name"), lambda number_range: number_range.name, sort="name", heads=True),
        Column("purpose", _l("Numbers of"), lambda row: str(PURPOSES[row.purpose]), sort="purpose"),
        following,
        Column("last_number", _l("Last number"), _last_number, classes="tabular"),
        left,
        Column("ledger", _l("Actions"), None, lambda row: button(ledger(row.id), row.name), fixed=True),
    )


def of_statuses(may_copy: bool) -> tuple[Column, ...]:
    """With a button to copy each status, where the reader may."""
    shown = (
        Column("name", _l("Name"), lambda status: status.name, sort="name", heads=True),
        Column("category", _l("Category"), lambda status: status.category or "–", sort="category"),
        *_following(lambda status: status.number_range.numbering),
    )
    return (*shown, _copying()) if may_copy else shown


def _copying() -> Column:
    copy, button = address_of("addresses.new_status", "copy"), leading(icon("copy") + _("Copy"))
    return Column("copy", _l("Copy"), None, lambda status: button(copy(status.id), status.name), fixed=True)


def _following(numbering: Callable[[Any], Numbering]) -> tuple[Column, Column]:
    """What is given out next, and how much is left."""

    def next_number(row: Any) -> str:
        return next(iter(numbering(row).preview()), "–")

    def left(row: Any) -> Markup | str:
        numbers = numbering(row)
        return tone("attention", number(numbers.left)) if numbers.runs_out else number(numbers.left)

    return (
        Column("next_number", _l("Next number"), next_number, classes="tabular"),
        Column("left", _l("Left"), lambda row: numbering(row).left, left, classes="num"),
    )


def _last_number(number_range: NumberRange) -> str:
    numbering = number_range.numbering
    return numbering.written(numbering.last_number)
