"""The columns of the list of address statuses."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.listings.columns import Column, leading
from portal.presentation import address_of, icon, number, tone


def columns(may_copy: bool) -> tuple[Column, ...]:
    """With a button to copy each status, where the reader may."""
    shown = (
        Column("name", _l("Name"), lambda status: status.name, sort="name", heads=True),
        Column("category", _l("Category"), lambda status: status.category or "–", sort="category"),
        Column("next_number", _l("Next number"), _next_number, classes="tabular"),
        Column("left", _l("Left"), lambda status: status.number_range.numbering.left, _left, classes="num"),
    )
    return (*shown, _copying()) if may_copy else shown


def _copying() -> Column:
    copy, button = address_of("addresses.new_status", "copy"), leading(icon("copy") + _("Copy"))
    return Column("copy", _l("Copy"), None, lambda status: button(copy(status.id), status.name), fixed=True)


def _next_number(status: Any) -> str:
    return next(iter(status.number_range.numbering.preview()), "–")


def _left(status: Any) -> Markup | str:
    numbering = status.number_range.numbering
    return tone("attention", number(numbering.left)) if numbering.runs_out else number(numbering.left)
