"""A platform's document creation: what its orders get, and what the marketplace's words mean here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from portal.addresses.models import Address
from portal.errors import Refused
from portal.extensions import db
from portal.masterdata.models import PaymentMethod, ShippingMethod
from portal.platforms.capabilities import capabilities_of
from portal.platforms.models import (
    AddressRole,
    Platform,
    PlatformAddress,
    RemoteKind,
    RemoteValue,
)
from portal.scope import current_tenant_id

METHODS: dict[RemoteKind, type[PaymentMethod] | type[ShippingMethod]] = {
    RemoteKind.PAYMENT: PaymentMethod,
    RemoteKind.SHIPPING: ShippingMethod,
}


class NoSuchAddress(Refused):
    """No address of the tenant has this number."""


def is_set_up(platform: Platform) -> bool:
    """True once everything is chosen that a document needs."""
    chosen = (platform.payment_terms_id, platform.payment_method_id, platform.shipping_method_id)
    return None not in chosen and bool(platform.freight_article)


def remote_values(platform: Platform) -> Sequence[RemoteValue]:
    """The marketplace's words, those that nobody has looked at first."""
    found: Sequence[RemoteValue] = db.session.scalars(
        select(RemoteValue)
        .where(RemoteValue.platform_id == platform.id)
        .options(joinedload(RemoteValue.payment_method), joinedload(RemoteValue.shipping_method))
        .order_by(RemoteValue.kind, RemoteValue.value)
    ).all()
    return sorted(found, key=lambda value: not value.is_new)


def new_words(platform: Platform) -> list[str]:
    """The marketplace's words that nobody has looked at."""
    kinds = capabilities_of(platform).mapped
    return [value.value for value in remote_values(platform) if value.is_new and value.kind in kinds]


def map_values(platform: Platform, methods: Mapping[int, int | None]) -> None:
    """Say what the marketplace's words mean: remote value id to the id of a method, None for the standard."""
    for value in remote_values(platform):
        if value.id not in methods:
            continue
        if value.kind == RemoteKind.PAYMENT:
            value.payment_method_id = methods[value.id]
        else:
            value.shipping_method_id = methods[value.id]
        value.is_new = False
    db.session.flush()


def add_values(platform: Platform, kind: RemoteKind, words: Sequence[str]) -> None:
    """List words that no order has brought yet."""
    if words:
        rows = [
            {"tenant_id": current_tenant_id(), "platform_id": platform.id, "kind": kind, "value": word}
            for word in words
        ]
        db.session.execute(insert(RemoteValue).on_conflict_do_nothing(), rows)


def standing_in(platform: Platform, role: AddressRole) -> Address | None:
    """The address that stands in for the platform's buyers."""
    found: PlatformAddress | None = db.session.get(PlatformAddress, (platform.id, role))
    return found.address if found else None


def let_stand_in(platform: Platform, role: AddressRole, number: str) -> None:
    """Let the address of this number stand in; none, where it is empty. Raises NoSuchAddress."""
    address_id = _address_to_stand_in(number) if number else None
    present = db.session.get(PlatformAddress, (platform.id, role))
    if address_id is None:
        if present is not None:
            db.session.delete(present)
    elif present is None:
        db.session.add(
            PlatformAddress(platform_id=platform.id, role=role, tenant_id=platform.tenant_id, address_id=address_id)
        )
    else:
        present.address_id = address_id
    db.session.flush()


def _address_to_stand_in(number: str) -> int:
    # Locked: who merges it into another at this moment asks whether it stands in.
    found = db.session.execute(
        select(Address.id, Address.merged_into_id).where(Address.number == number).with_for_update()
    ).one_or_none()
    if found is None:
        raise NoSuchAddress(_("No address has the number %(number)s.", number=number))
    if found.merged_into_id is not None:
        into = db.session.get_one(Address, found.merged_into_id).number
        raise NoSuchAddress(
            _("The address %(number)s was merged into %(other)s. Choose that one.", number=number, other=into)
        )
    return int(found.id)
