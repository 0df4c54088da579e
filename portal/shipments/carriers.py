"""Carriers: the tenant's names for them, and how the marketplace wants them spelled."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from portal.errors import Refused
from portal.extensions import db
from portal.scope import current_tenant_id
from portal.shipments.models import Carrier

OTHER = "Other"  # the code for a carrier the marketplace has no code for


class CarrierNameTaken(Refused):
    """Another carrier of the tenant bears this name."""

    field = "name"


class OtherNeedsName(Refused):
    """The marketplace takes the code "Other" only with the carrier's name."""

    field = "marketplace_name"


class CarrierInUse(Refused):
    """Parcels have gone out with this carrier."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """A carrier as it is entered. `marketplace_name` counts only where the code is "Other"."""

    name: str
    marketplace_code: str
    marketplace_name: str = ""
    shipping_method: str = ""


# Amazon compares these with its own list, letter by letter.
# Source: the table of Amazon.de in the facts sheet, section 4. UPS's methods are not in it.
GERMAN = (
    Spelling("DHL", "DHL", shipping_method="Paket"),
    Spelling("DHL International", "DHL", shipping_method="Paket International"),
    Spelling("DHL Express", "DHL", shipping_method="Express"),
    Spelling("Deutsche Post", "Deutsche Post", shipping_method="Warenpost"),
    Spelling("Deutsche Post Großbrief", "Deutsche Post", shipping_method="Großbrief"),
    Spelling("DPD", "DPD", shipping_method="DPD Classic"),
    Spelling("GLS", "GLS", shipping_method="BusinessParcel"),
    Spelling("Hermes", "Hermes", shipping_method="Standard"),
    Spelling("UPS", "UPS"),
)


def default_carriers() -> list[Carrier]:
    """Give the tenant the usual German carriers; return those that are new. What it has already stays as it is."""
    rows = [{"tenant_id": current_tenant_id(), **asdict(spelling)} for spelling in GERMAN]
    return list(db.session.scalars(insert(Carrier).on_conflict_do_nothing().returning(Carrier), rows))


def all_carriers() -> list[Carrier]:
    """The tenant's carriers by name."""
    return list(db.session.scalars(select(Carrier).order_by(Carrier.name)))


def create_carrier(spelling: Spelling) -> Carrier:
    """Add a carrier. Raises CarrierNameTaken, OtherNeedsName."""
    _check(spelling)
    carrier = db.session.scalar(
        insert(Carrier)
        .values(tenant_id=current_tenant_id(), **asdict(spelling))
        .on_conflict_do_nothing()
        .returning(Carrier)
    )
    if carrier is None:
        raise _name_taken(spelling)
    return carrier


def update_carrier(carrier: Carrier, spelling: Spelling) -> None:
    """Change a carrier; parcels that are reported from now on use it. Raises CarrierNameTaken, OtherNeedsName."""
    _check(spelling)
    try:
        with db.session.begin_nested():
            for field, value in asdict(spelling).items():
                setattr(carrier, field, value)
    except IntegrityError as taken:
        raise _name_taken(spelling) from taken


def delete_carrier(carrier: Carrier) -> None:
    """Remove a carrier that no parcel went out with. Raises CarrierInUse."""
    try:
        with db.session.begin_nested():
            db.session.delete(carrier)
    except IntegrityError as in_use:
        raise CarrierInUse(
            _("Parcels have gone out with “%(name)s”, so it cannot be removed. You can rename it.", name=carrier.name)
        ) from in_use


def _check(spelling: Spelling) -> None:
    if spelling.marketplace_code == OTHER and not spelling.marketplace_name:
        raise OtherNeedsName(_("For “Other” the marketplace wants the carrier's name."))


def _name_taken(spelling: Spelling) -> CarrierNameTaken:
    return CarrierNameTaken(_("There is already a carrier called “%(name)s”.", name=spelling.name))
