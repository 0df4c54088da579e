"""The columns of the list of a platform's assignments."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.listings.columns import Column, posting
from portal.presentation import icon, tone


def columns(platform_id: int, may_remove: bool) -> tuple[Column, ...]:
    """With a button that takes an assignment back, where the reader may."""
    active = Column("active", _l("Active"), lambda row: _("On") if row.active else _("Off"))
    shown = (
        Column("sku", _l("SKU"), lambda row: row.sku, sort="sku", classes="tabular text-break", heads=True),
        Column(
            "number", _l("Article number"), lambda row: row.number, _number, classes="tabular text-break", beside=active
        ),
        Column("title", _l("Title"), lambda row: row.title or "–"),
    )
    return (*shown, _removing(platform_id)) if may_remove else shown


def _removing(platform_id: int) -> Column:
    remove, button = url_for("assignments.remove", id=platform_id), posting(icon("trash") + _("Remove"), "sku")
    return Column("remove", _l("Actions"), None, lambda row: button(remove, row.sku, row.sku), fixed=True)


def _number(row: Any) -> str | Markup:
    if row.active:
        return str(row.number)
    return Markup("<span>{} {}</span>").format(row.number, tone("off", _("Off")))
