"""What a new tenant finds already set up, so that the first order can become a document."""

from __future__ import annotations

from flask_babel import gettext as _

from portal.addresses.models import AddressStatus, NumberRange, Purpose
from portal.addresses.numbers import largest
from portal.extensions import db
from portal.masterdata import service as masterdata
from portal.scope import current_tenant_id
from portal.shipments.carriers import default_carriers

# Enough for years: a range that has run out holds orders.
DIGITS = 7
FIRST_ADDRESS = 1_000_000


def add_defaults() -> None:
    """Give the tenant in scope its number ranges, an address status, the usual carriers, and its master data."""
    tenant_id = current_tenant_id()
    customers = NumberRange(
        tenant_id=tenant_id,
        purpose=Purpose.ADDRESS,
        name=_("Customers"),
        prefix="",
        digits=DIGITS,
        next_number=FIRST_ADDRESS,
        last_number=largest(DIGITS),
    )
    db.session.add_all(
        [
            customers,
            NumberRange(
                tenant_id=tenant_id,
                purpose=Purpose.ORDER,
                name=_("Sales orders"),
                prefix="A",
                digits=DIGITS,
                next_number=1,
                last_number=largest(DIGITS),
            ),
            NumberRange(
                tenant_id=tenant_id,
                purpose=Purpose.INVOICE,
                name=_("Invoices"),
                prefix="R",
                digits=DIGITS,
                next_number=1,
                last_number=largest(DIGITS),
            ),
            AddressStatus(tenant_id=tenant_id, name=_("Marketplace customers"), number_range=customers),
        ]
    )
    default_carriers()
    masterdata.add_defaults()
    db.session.flush()
