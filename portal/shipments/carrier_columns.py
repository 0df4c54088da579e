"""The columns of the list of carriers."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from portal.listings.columns import Column

COLUMNS = (
    Column("name", _l("Name"), lambda carrier: carrier.name, sort="name", heads=True),
    Column("code", _l("Code at the marketplace"), lambda carrier: carrier.marketplace_code, sort="code"),
    Column("other_name", _l("Name for “Other”"), lambda carrier: carrier.marketplace_name or "–"),
    Column("shipping_method", _l("Shipping method"), lambda carrier: carrier.shipping_method or "–"),
)
