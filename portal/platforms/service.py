"""Platforms: kept here, registered in the cloud, connected to their marketplace through it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from portal.addresses.models import AddressStatus
from portal.automation import runs
from portal.automation.models import Run
from portal.credentials import cloud as clouds
from portal.credentials.cloud import Cloud
from portal.credentials.models import Credential
from portal.credentials.service import register_webhook
from portal.errors import Refused, Unavailable
from portal.extensions import db, redis
from portal.marketplaces import format_countries, parse_countries
from portal.masterdata.models import PaymentMethod, PaymentTerms, ShippingMethod
from portal.platforms.creation import is_set_up
from portal.platforms.models import Connection, Platform
from portal.scope import current_tenant_id

# How long pages look by themselves whether a consent came back. The cloud's own limit is shorter.
CONSENT_SECONDS = 15 * 60


class NameTaken(Refused):
    """Another platform of the tenant, or of the cloud account, bears this name."""

    field = "name"


class NumberTaken(Refused):
    """Another platform of the tenant has this number."""

    field = "number"


class CredentialFixed(Refused):
    """The platform is registered with its credential's account and cannot move to another."""

    field = "credential"


class MarketplacesRefused(Refused):
    """The cloud does not collect from these: the seller's consent, or another of his platforms, stands in the way."""

    field = "marketplaces"


class NotReady(Refused):
    """The platform is switched off, or not connected."""


class CloudConnection(msgspec.Struct):
    """What the cloud says about a platform's connection."""

    state: Connection
    seller_id: str | None = None
    authorized_at: datetime | None = None


def name_key(name: str) -> str:
    """What "the same name" means, here as in the cloud: case, width and spaces do not count."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def next_number() -> int:
    """The lowest number above all platforms of the tenant."""
    return int(db.session.scalar(select(func.coalesce(func.max(Platform.number), 0))) + 1)


def free_name(wanted: str) -> str:
    """This name, or with a number behind it where the tenant has a platform of that name."""
    taken = set(db.session.scalars(select(Platform.name_key)))
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name_key(name) not in taken)


def create_platform(
    number: int, name: str, credential: Credential, marketplaces: Sequence[str], active: bool = True
) -> Platform:
    """A platform that the cloud does not know yet. `marketplaces` are Amazon's ids.

    Its orders get the tenant's first status, payment and shipping, until somebody decides otherwise.
    Raises NameTaken, NumberTaken; nothing is written then.
    """
    status_id = db.session.scalar(select(func.min(AddressStatus.id)))
    first = {
        f"{model.__tablename__}_id": db.session.scalar(select(func.min(model.id)).where(model.active))
        for model in (PaymentTerms, PaymentMethod, ShippingMethod)
    }
    platform: Platform | None = db.session.scalar(
        insert(Platform)
        .values(
            tenant_id=current_tenant_id(),
            number=number,
            name=name,
            name_key=name_key(name),
            credential_id=credential.id,
            marketplaces=format_countries(marketplaces),
            active=active,
            address_status_id=status_id,
            **first,
        )
        .on_conflict_do_nothing()
        .returning(Platform)
    )
    if platform is None:
        raise _taken(number, name, None)
    return platform


def update_platform(
    platform: Platform, number: int, name: str, credential: Credential, marketplaces: Sequence[str], active: bool
) -> None:
    """Change a platform, here and in the cloud if that knows it. The caller rolls back what is refused.

    Raises NameTaken, NumberTaken, CredentialFixed, MarketplacesRefused, and what the cloud raises.
    """
    if platform.reference is not None and credential.id != platform.credential_id:
        raise CredentialFixed(
            _("The platform is registered with its present credential. Make a new platform for another one.")
        )
    before = (platform.name, platform.marketplaces, platform.active)
    try:
        with db.session.begin_nested():
            platform.number, platform.name, platform.name_key = number, name, name_key(name)
            platform.credential_id, platform.active = credential.id, active
            platform.marketplaces = format_countries(marketplaces)
    except IntegrityError as error:
        raise _taken(number, name, platform.id) from error
    if platform.reference is None or before == (platform.name, platform.marketplaces, platform.active):
        return
    try:
        Cloud.of(platform.credential).update_platform(
            platform.reference, name=name, marketplaces=list(marketplaces), active=active
        )
    except clouds.NameTaken as error:
        raise _taken_in_cloud(name) from error
    except clouds.NotAccepted as error:
        if MarketplacesRefused.field not in error.errors:
            raise
        raise MarketplacesRefused(error.errors[MarketplacesRefused.field]) from error


def connect(platform: Platform) -> str:
    """Register the platform where the cloud does not know it, and return the address that asks for consent.

    Raises NameTaken and what the cloud raises. A reference that was gained is on the platform even then.
    """
    cloud = Cloud.of(platform.credential)
    if platform.reference is None:
        _register(platform, cloud)
    register_webhook(platform.credential)
    return_url = f"{current_app.config['PUBLIC_URL']}/platforms/{platform.id}"
    try:
        url = cloud.start_connection(str(platform.reference), return_url)
    except clouds.NotFound:  # removed in the cloud behind our back: it is a new platform there
        _register(platform, cloud)
        url = cloud.start_connection(str(platform.reference), return_url)
    redis().set(_consent_mark(platform), 1, ex=CONSENT_SECONDS)
    return url


def awaits_consent(platform: Platform) -> bool:
    """True while somebody is at the marketplace's consent page, as far as we know."""
    return platform.connection != Connection.AUTHENTICATED and bool(redis().exists(_consent_mark(platform)))


def end_consent(platform: Platform) -> None:
    """The consent came back, with whatever result: pages need not look any longer."""
    redis().delete(_consent_mark(platform))


def refresh(platform: Platform) -> None:
    """Ask the cloud for the state of the connection and keep it. Raises what the cloud raises."""
    if platform.reference is None:
        return
    answer = Cloud.of(platform.credential).platform(platform.reference)
    try:
        connection = msgspec.convert(answer.get("connection"), CloudConnection)
    except msgspec.ValidationError as error:
        raise clouds.NotACloud(_("The cloud’s answer about the connection makes no sense.")) from error
    _keep(platform, connection, clouds.problem_of(answer["connection"]))


def disconnect(platform: Platform) -> None:
    """Make the cloud forget the marketplace's permission. Orders that came stay. Raises what the cloud raises."""
    if platform.reference is not None:
        Cloud.of(platform.credential).disconnect(platform.reference)
    end_consent(platform)
    _keep(platform, CloudConnection(Connection.NOT_AUTHENTICATED))


def fetch_now(platform: Platform) -> Run:
    """Fetch what waits in the cloud, and have the cloud look at the marketplace. Raises NotReady.

    What the cloud finds there it reports by an event, which starts the next fetch.
    """
    if not platform.active:
        raise NotReady(_("The platform is switched off. Switch it on to fetch orders."))
    if platform.connection != Connection.AUTHENTICATED:
        raise NotReady(_("The platform is not connected. Connect it to fetch orders."))
    if not is_set_up(platform):
        raise NotReady(_("Fill in the platform’s document creation first: it says what orders become."))
    # What keeps the cloud from collecting keeps the run from fetching too, and is shown on that.
    with suppress(Refused, Unavailable):
        Cloud.of(platform.credential).collect(str(platform.reference))
    return runs.start_fetch(platform, cause="person")


def _register(platform: Platform, cloud: Cloud) -> None:
    marketplaces = parse_countries(platform.marketplaces)
    try:
        answer = cloud.create_platform(platform.kind, platform.name, marketplaces, platform.active)
        reference = str(answer["reference"])
    except clouds.NameTaken as error:
        lost = _find_lost(platform, cloud)
        if lost is None:
            raise _taken_in_cloud(platform.name) from error
        cloud.update_platform(lost, name=platform.name, marketplaces=marketplaces, active=platform.active)
        reference = lost
    platform.reference = reference
    db.session.flush()


def _find_lost(platform: Platform, cloud: Cloud) -> str | None:
    """The reference of a platform we registered and whose answer we lost.

    It has our name, was never connected, and belongs to no platform here. One that is connected may be
    another portal's with the same account: two portals on one platform would share its orders out.
    """
    for answer in cloud.platforms():
        reference, connection = answer.get("reference"), answer.get("connection") or {}
        if (
            isinstance(reference, str)
            and name_key(str(answer.get("name"))) == platform.name_key
            and answer.get("kind") == platform.kind
            and connection.get("state") == Connection.NOT_AUTHENTICATED
            and not connection.get("seller_id")
            and not db.session.scalar(select(Platform.id).where(Platform.reference == reference))
        ):
            return reference
    return None


def _keep(platform: Platform, connection: CloudConnection, problem: str | None = None) -> None:
    newly = connection.state == Connection.AUTHENTICATED and platform.connection != Connection.AUTHENTICATED
    platform.connection, platform.connection_problem = connection.state, problem
    platform.seller_id, platform.authorized_at = connection.seller_id, connection.authorized_at
    if newly:
        platform.next_fetch_at = datetime.now(UTC)
        end_consent(platform)
    db.session.flush()


def _taken(number: int, name: str, own_id: int | None) -> Refused:
    """Which of the two unique things was taken."""
    same_name = select(Platform.id).where(Platform.name_key == name_key(name))
    if own_id is not None:
        same_name = same_name.where(Platform.id != own_id)
    if db.session.scalar(same_name) is not None:
        return NameTaken(_("There is already a platform called “%(name)s”. Case and spaces do not count.", name=name))
    return NumberTaken(_("Another platform has the number %(number)s.", number=number))


def _taken_in_cloud(name: str) -> NameTaken:
    return NameTaken(
        _("The cloud account has another platform called “%(name)s”. Give this one another name.", name=name)
    )


def _consent_mark(platform: Platform) -> str:
    return f"kontor:consent:{platform.tenant_id}:{platform.id}"
