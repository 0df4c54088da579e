"""Settings that a marketplace offers, beside the platform's own: compared, and taken over one by one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal.credentials import cloud as clouds
from portal.credentials.cloud import Cloud
from portal.errors import Refused
from portal.marketplaces import BY_ID, parse_countries
from portal.platforms import creation, service
from portal.platforms.capabilities import capabilities_of
from portal.platforms.models import Connection, Platform, RemoteKind

KINDS = {RemoteKind.PAYMENT: _l("Payment kind"), RemoteKind.SHIPPING: _l("Shipping level")}


class Offered(msgspec.Struct):
    """What the cloud says the marketplace offers."""

    marketplaces: list[str] = []
    payment_kinds: list[str] = []
    shipping_levels: list[str] = []


@dataclass(frozen=True)
class Offer:
    """One difference. `name` says which it is when it comes back ticked."""

    name: str
    field: Any
    before: str
    after: str


def can_import(platform: Platform) -> bool:
    """True where the marketplace can be asked for settings."""
    return capabilities_of(platform).settings and platform.connection == Connection.AUTHENTICATED


def offers_for(platform: Platform) -> list[Offer]:
    """What the marketplace says otherwise than the platform, field by field. Raises what the cloud raises."""
    if platform.reference is None:
        return []
    answer = Cloud.of(platform.credential).offered_settings(platform.reference)
    try:
        offered = msgspec.convert(answer, Offered)
    except msgspec.ValidationError as error:
        raise clouds.NotACloud(_("The cloud’s answer about the settings makes no sense.")) from error
    ours = parse_countries(platform.marketplaces)
    field = _("Marketplace")
    offers = [
        Offer(f"add:{id}", field, "–", BY_ID[id].country)
        for id in offered.marketplaces
        if id not in ours and id in BY_ID and BY_ID[id].region == BY_ID[ours[0]].region
    ]
    offers += [
        Offer(f"remove:{id}", field, BY_ID[id].country, _("the seller does not sell there"))
        for id in ours
        if id not in offered.marketplaces
    ]
    listed = {(value.kind, value.value) for value in creation.remote_values(platform)}
    for kind, words in ((RemoteKind.PAYMENT, offered.payment_kinds), (RemoteKind.SHIPPING, offered.shipping_levels)):
        if kind in capabilities_of(platform).mapped:
            offers += [Offer(f"{kind}:{word}", KINDS[kind], "–", word) for word in words if (kind, word) not in listed]
    return offers


def take_over(platform: Platform, offers: Sequence[Offer], ticked: Collection[str]) -> int:
    """Apply what was ticked of the present offers and nothing else; return how many that were.

    Raises Refused where no marketplace would be left, and what the cloud raises.
    """
    wanted = [offer.name.split(":", 1) for offer in offers if offer.name in ticked]
    marketplaces = [id for id in parse_countries(platform.marketplaces) if ["remove", id] not in wanted]
    marketplaces += [id for what, id in wanted if what == "add"]
    if not marketplaces:
        raise Refused(_("A platform needs a marketplace. Leave one."))
    if marketplaces != parse_countries(platform.marketplaces):
        service.update_platform(
            platform, platform.number, platform.name, platform.credential, marketplaces, platform.active
        )
    for kind in RemoteKind:
        creation.add_values(platform, kind, [word for what, word in wanted if what == kind])
    return len(wanted)
