"""The platforms of an account: named once, found by a reference."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Integer, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from jobs.queues import enqueue
from portal.cloud.models import Account, CloudPlatform, ConnectionState
from portal.errors import Refused
from portal.extensions import db
from portal.marketplaces import format_countries, region_of
from portal.scope import current_account_id
from portal.sentences import sentence

# No letter or digit that is taken for another when it is read out. 32 ** 10 references.
REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
REFERENCE_LENGTH = 10

# More is not counted: "more than 1,000" is all that anyone needs to know, and counting costs.
WAITING = literal_column(
    "(SELECT count(*) FROM (SELECT FROM cloud_order"
    " WHERE platform_id = cloud_platform.id AND state = 'waiting' LIMIT 1000) AS waiting)",
    Integer,
)


class NameTaken(Refused):
    """Another platform of the account bears this name."""


class MarketplacesTaken(Refused):
    """Another platform of the account collects this seller's orders of one of these marketplaces."""

    field = "marketplaces"


class OtherRegion(Refused):
    """The seller's consent is for marketplaces of another region."""

    field = "marketplaces"


class NotConnected(Refused):
    """The platform is switched off, or the marketplace does not let us speak for its seller."""


def name_key(name: str) -> str:
    """What makes two names the same: case, width and spaces do not count."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def create_platform(kind: str, name: str, marketplaces: Sequence[str], active: bool) -> CloudPlatform:
    """Create a platform. Raises NameTaken; two at once under one name make one."""
    letters = (secrets.choice(REFERENCE_LETTERS) for _ in range(REFERENCE_LENGTH))
    platform: CloudPlatform | None = db.session.scalar(
        insert(CloudPlatform)
        .values(
            account_id=current_account_id(),
            reference="".join(letters),
            kind=kind,
            name=name.strip(),
            name_key=name_key(name),
            marketplaces=list(dict.fromkeys(marketplaces)),
            active=active,
        )
        .on_conflict_do_nothing(index_elements=["account_id", "name_key"])
        .returning(CloudPlatform)
    )
    if platform is None:
        raise _name_taken(name)
    return platform


def change_platform(platform: CloudPlatform, changes: dict[str, Any]) -> None:
    """Change name, marketplaces, active. Raises NameTaken, MarketplacesTaken, OtherRegion; nothing is changed then.

    Other marketplaces mean other orders: collecting begins anew.
    """
    if "name" in changes:
        _rename(platform, changes["name"])
    if "marketplaces" in changes:
        marketplaces = list(dict.fromkeys(changes["marketplaces"]))
        if platform.seller_id is not None:
            _check_seller(platform, platform.seller_id, marketplaces)
        if set(marketplaces) != set(platform.marketplaces):
            from portal.cloud.collection import collect_anew

            collect_anew(platform)
        platform.marketplaces = marketplaces
    if "active" in changes and changes["active"] != platform.active:
        platform.active = changes["active"]
    db.session.flush()
    if ("active" in changes or "marketplaces" in changes) and _can_collect(platform):
        collect_now(platform)


def collect_now(platform: CloudPlatform, days: int = 0) -> None:
    """Have the platform's orders collected at once, with all that changed in the last `days`. Raises NotConnected."""
    if not _can_collect(platform):
        raise NotConnected(sentence("The platform is switched off, or not connected to its marketplace."))
    now = datetime.now(UTC)
    platform.next_collect_at = now
    if days:
        platform.look_back_to = min(now - timedelta(days=days), platform.look_back_to or now)
    db.session.flush()
    enqueue("jobs.collect.collect_orders", platform.account_id, platform.id)


def taken_by(platform: CloudPlatform, seller_id: str, marketplaces: Sequence[str]) -> CloudPlatform | None:
    """The other platform that collects orders of this seller from one of these marketplaces, if there is one.

    Two would make two of each order. The account is locked: of two that want to at once one is told so.
    """
    db.session.execute(select(Account.id).where(Account.id == platform.account_id).with_for_update())
    others = select(CloudPlatform).where(
        CloudPlatform.id != platform.id,
        CloudPlatform.kind == platform.kind,
        CloudPlatform.seller_id == seller_id,
        CloudPlatform.connection != ConnectionState.NOT_AUTHENTICATED,
    )
    return next((other for other in db.session.scalars(others) if {*other.marketplaces} & {*marketplaces}), None)


def find_platform(reference: str) -> CloudPlatform | None:
    """The platform of the account in scope."""
    found: CloudPlatform | None = db.session.scalar(select(CloudPlatform).where(CloudPlatform.reference == reference))
    return found


def with_waiting(reference: str | None = None) -> list[tuple[CloudPlatform, int]]:
    """All platforms of the account by name, or the one of a reference, with their waiting orders (1000 at most)."""
    wanted = select(CloudPlatform, WAITING).order_by(CloudPlatform.name_key)
    if reference is not None:
        wanted = wanted.where(CloudPlatform.reference == reference)
    return [(platform, waiting) for platform, waiting in db.session.execute(wanted)]


def _check_seller(platform: CloudPlatform, seller_id: str, marketplaces: Sequence[str]) -> None:
    if region_of(marketplaces) != region_of(platform.marketplaces):
        raise OtherRegion(
            sentence(
                "The platform is connected for another of Amazon's regions than %(countries)s lies in. Make a platform "
                "of its own for it.",
                countries=format_countries(marketplaces),
            )
        )
    connected = platform.connection != ConnectionState.NOT_AUTHENTICATED
    other = taken_by(platform, seller_id, marketplaces) if connected else None
    if other is not None:
        raise MarketplacesTaken(
            sentence(
                "The platform “%(name)s” collects this seller's orders of %(countries)s. Each order becomes one "
                "document: take the marketplaces from there first.",
                name=other.name,
                countries=format_countries([id for id in marketplaces if id in other.marketplaces]),
            )
        )


def _rename(platform: CloudPlatform, name: str) -> None:
    try:
        with db.session.begin_nested():
            platform.name, platform.name_key = name.strip(), name_key(name)
            db.session.flush()
    except IntegrityError as error:
        raise _name_taken(name) from error


def _can_collect(platform: CloudPlatform) -> bool:
    return platform.active and platform.connection == ConnectionState.AUTHENTICATED


def _name_taken(name: str) -> NameTaken:
    return NameTaken(f"There is already a platform called “{name.strip()}”.")
