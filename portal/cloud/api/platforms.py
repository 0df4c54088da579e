"""Platforms: create, read, change, remove, collect now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from flask import Blueprint, Response, g

from portal.cloud import collection, platforms
from portal.cloud.api import shapes
from portal.cloud.api.bodies import answer, nothing, number, read, told
from portal.cloud.api.describing import Operation, query
from portal.cloud.api.problems import NOT_CONNECTED, Problem
from portal.cloud.connectors import ApplicationRefused, ConnectionRevoked, connector_for
from portal.cloud.models import CloudPlatform
from portal.cloud.times import utc
from portal.errors import Unavailable
from portal.extensions import db
from portal.sentences import source_of

bp = Blueprint("cloud_platforms", __name__)

# When to ask again, where the marketplace names no time: it is away, or refuses this installation.
AWAY_SECONDS = 30
REFUSED_SECONDS = 600
# How far back a marketplace is asked for changes once more.
MOST_DAYS = 30

ALL = "/v1/platforms"
ONE = "/v1/platforms/<reference>"
SETTINGS = "/v1/platforms/<reference>/offered-settings"
COLLECTION = "/v1/platforms/<reference>/collection"
OPERATIONS = (
    Operation("get", ALL, "listPlatforms", "All platforms, by name", {200: list[shapes.Platform]}),
    Operation(
        "post",
        ALL,
        "createPlatform",
        "Create a platform",
        {201: shapes.Platform},
        takes=shapes.NewPlatform,
        problems=[409],
        description="The name is unique within the account, case and spaces ignored: a second one answers 409.",
    ),
    Operation("get", ONE, "readPlatform", "A platform and its connection", {200: shapes.Platform}, problems=[404]),
    Operation(
        "patch",
        ONE,
        "changePlatform",
        "Change name, marketplaces or activity",
        {200: shapes.Platform},
        takes=shapes.PlatformChange,
        problems=[404, 409],
    ),
    Operation(
        "delete",
        ONE,
        "removePlatform",
        "Remove a platform, its connection, its undelivered orders and its status messages",
        {204: None},
        problems=[404],
    ),
    Operation(
        "get",
        SETTINGS,
        "readOfferedSettings",
        "Settings of the marketplace that a platform could take over",
        {200: shapes.OfferedSettings},
        problems=[404, 409],
        description=f"Asks the marketplace. 409 ({NOT_CONNECTED}) where the platform is not connected.",
    ),
    Operation(
        "post",
        COLLECTION,
        "collectOrders",
        "Ask the marketplace for changed orders now",
        {202: None},
        problems=[404, 409, 422],
        parameters=[
            query(
                "days",
                "Look once more at all that changed in so many days; orders that are known change nothing.",
                {"type": "integer", "minimum": 0, "maximum": MOST_DAYS, "default": 0},
            )
        ],
        description=f"409 ({NOT_CONNECTED}) where the platform is switched off or not connected.",
    ),
)


@bp.get(ALL)
def index() -> Response:
    return answer([shape(platform, waiting) for platform, waiting in platforms.with_waiting()])


@bp.post(ALL)
def create() -> Response:
    wanted = read(shapes.NewPlatform)
    try:
        platform = platforms.create_platform(wanted.kind, wanted.name, wanted.marketplaces, wanted.active)
    except platforms.NameTaken as taken:
        raise Problem(409, str(taken), errors={"name": str(taken)}) from taken
    response = answer(shape(platform, 0), 201)
    response.headers["Location"] = f"/cloud/v1/platforms/{platform.reference}"
    return response


@bp.get(ONE)
def show(reference: str) -> Response:
    return _shown(reference)


@bp.patch(ONE)
def update(reference: str) -> Response:
    platform = found(reference)
    wanted = read(shapes.PlatformChange)
    changes = {
        name: value for name in wanted.__struct_fields__ if (value := getattr(wanted, name)) is not msgspec.UNSET
    }
    try:
        platforms.change_platform(platform, changes)
    except platforms.NameTaken as taken:
        raise Problem(409, str(taken), errors={"name": str(taken)}) from taken
    except (platforms.MarketplacesTaken, platforms.OtherRegion) as refused:
        raise Problem(422, str(refused), errors={refused.field: str(refused)}) from refused
    return _shown(reference)


@bp.delete(ONE)
def destroy(reference: str) -> Response:
    db.session.delete(found(reference))
    return nothing()


@bp.get(SETTINGS)
def offered_settings(reference: str) -> Response:
    platform = found(reference)
    with asking_marketplace(platform):
        offered = connector_for(platform).offered_settings()
    return answer(shapes.OfferedSettings(offered.marketplaces, offered.payment_kinds, offered.shipping_levels))


@bp.post(COLLECTION)
def collect(reference: str) -> Response:
    platform, days = found(reference), number("days", 0, 0, MOST_DAYS)
    try:
        platforms.collect_now(platform, days)
    except platforms.NotConnected as refused:
        raise Problem(409, str(refused), NOT_CONNECTED) from refused
    return nothing(202)


def found(reference: str) -> CloudPlatform:
    """The platform of a reference. Raises Problem 404, the same for another account's as for none."""
    platform = platforms.find_platform(reference) if shapes.is_reference(reference) else None
    if platform is None:
        raise unknown()
    return platform


@contextmanager
def asking_marketplace(platform: CloudPlatform) -> Iterator[None]:
    """What the marketplace refuses, or cannot answer, becomes a problem document. A lost connection is kept."""
    authorized_at = platform.authorized_at
    try:
        yield
    except ConnectionRevoked as revoked:
        collection.lose_connection(platform.id, authorized_at, revoked)
        g.keep_transaction = True  # refused, but what was learnt is kept
        raise Problem(409, str(revoked), NOT_CONNECTED) from revoked
    except ApplicationRefused as refused:
        raise Unavailable(str(refused), REFUSED_SECONDS) from refused
    except Unavailable as away:
        raise Unavailable(str(away), away.retry_after or AWAY_SECONDS) from away


def unknown() -> Problem:
    return Problem(404, "The account has no platform with this reference.")


def shape(platform: CloudPlatform, waiting: int) -> shapes.Platform:
    return shapes.Platform(
        reference=platform.reference,
        kind=platform.kind,
        name=platform.name,
        marketplaces=platform.marketplaces,
        active=platform.active,
        connection=connection(platform),
        collected_at=utc(platform.collected_at),
        collect_problem=told(platform.collect_problem),
        collect_problem_source=source_of(platform.collect_problem),
        next_collect_at=utc(platform.next_collect_at),
        waiting=waiting,
    )


def connection(platform: CloudPlatform) -> shapes.Connection:
    return shapes.Connection(
        state=platform.connection,
        problem=told(platform.connection_problem),
        problem_source=source_of(platform.connection_problem),
        seller_id=platform.seller_id,
        authorized_at=utc(platform.authorized_at),
    )


def _shown(reference: str) -> Response:
    rows = platforms.with_waiting(reference) if shapes.is_reference(reference) else []
    if not rows:
        raise unknown()
    return answer(shape(*rows[0]))
