"""The columns of the address book."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from portal.listings.columns import Column

COLUMNS = (
    Column("number", _l("Number"), lambda row: row.number, sort="number", classes="tabular", heads=True),
    Column("name", _l("Name"), lambda row: row.name, sort="name"),
    Column("company", _l("Company"), lambda row: row.company),
    Column("postcode", _l("Postcode"), lambda row: row.postal_code, classes="tabular"),
    Column("city", _l("City"), lambda row: row.city),
    Column("country", _l("Country"), lambda row: row.country),
    Column("email", _l("E-mail address"), lambda row: row.email, classes="text-break"),
)
