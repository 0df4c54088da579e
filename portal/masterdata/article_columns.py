"""The columns of the list of articles."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal.listings.columns import Column
from portal.masterdata.article_forms import TAX_CLASSES
from portal.presentation import on_or_off

COLUMNS = (
    Column("number", _l("Number"), lambda row: row.number, sort="number", classes="tabular text-break", heads=True),
    Column("title", _l("Title"), lambda row: row.title or "–"),
    Column("tax_class", _l("Tax class"), lambda row: str(TAX_CLASSES[row.tax_class])),
    Column(
        "active",
        _l("Active"),
        lambda row: _("On") if row.active else _("Off"),
        lambda row: on_or_off(row.active),
    ),
)
