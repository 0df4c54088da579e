"""The columns of the list of status messages."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.listings.columns import Column
from portal.presentation import ago, beneath, state, word_of
from portal.sentences import say


def _document(row: Any) -> str:
    return f"{row.number} / {row.package_reference}" if row.package_reference > 1 else str(row.number)


def _report(row: Any) -> Markup:
    at = row.confirmed_at or row.sent_at or row.created_at
    return Markup(f"<span>{state(row.state)} {ago(at)}{beneath(row.problem)}</span>")  # noqa: S704 - escaped


COLUMNS = (
    Column("number", _l("Tracking number"), lambda row: row.tracking_number, classes="text-break tabular", heads=True),
    Column("carrier", _l("Carrier"), lambda row: row.carrier),
    Column("document", _l("Document"), _document, classes="tabular"),
    Column("order", _l("Order"), lambda row: row.order_id, classes="tabular"),
    Column("shipped", _l("Shipped"), lambda row: row.shipped_at, lambda row: ago(row.shipped_at)),
    Column(
        "report",
        _l("Report to the marketplace"),
        lambda row: word_of(row.state),
        _report,
        beside=Column("problem", _l("Problem"), lambda row: say(row.problem)),
    ),
)
