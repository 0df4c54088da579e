"""Ask about an order: where it is, and why it is not a document where it is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from portal.credentials.cloud import Cloud, NotFound, NotThisSellers
from portal.documents.detail import documents_of_order
from portal.documents.models import Document, HeldOrder
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.platforms.models import Connection, Platform
from portal.sentences import say


class Whereabouts(StrEnum):
    """Where an order can be, the most telling first: with several platforms the first that fits is the answer."""

    DOCUMENT = "document"
    HELD = "held"
    WAITING = "waiting"
    PENDING = "pending"
    FILTERED = "filtered"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"  # handed to the portal, and nothing here: cancelled before it was a document
    UNANSWERED = "unanswered"  # the cloud or the marketplace did not answer, so nobody knows
    NOT_THIS_SELLERS = "not_this_sellers"
    NEVER_SEEN = "never_seen"


@dataclass(frozen=True)
class Said:
    """What the cloud says of an order on one platform."""

    platform: Platform
    state: str | None = None  # of the cloud's inbox; None: never seen
    note: str = ""
    problem: str | None = None  # it did not answer, and why
    foreign: bool = False  # the marketplace does not know the order as this seller's


@dataclass(frozen=True)
class Answer:
    """Where the order is. `why` is a sentence of the portal's or the cloud's, where there is one."""

    order_id: str
    where: Whereabouts
    platform: Platform | None = None
    document: Document | None = None
    held: HeldOrder | None = None
    why: str = ""


def platforms() -> Sequence[Platform]:
    """The platforms that can be asked: active, and known to the cloud."""
    found: Sequence[Platform] = db.session.scalars(
        select(Platform).where(Platform.active, Platform.reference.is_not(None)).order_by(Platform.number)
    ).all()
    return found


def ask(order_id: str) -> Answer:
    """Answer from what the portal has, else from what the cloud knows."""
    document, held = _here(order_id)
    if document is not None or held is not None:
        return decide(order_id, document, held, [])
    return decide(order_id, None, None, [_said(platform, order_id, Cloud.order) for platform in platforms()])


def ask_marketplace(order_id: str, asked: Sequence[Platform]) -> tuple[Answer, list[Platform]]:
    """Let the cloud ask the marketplace now. Also the platforms where the order waits to be fetched now.

    One that is not connected, and cannot be asked, hides no answer of the others.
    """
    document, held = _here(order_id)
    connected = [platform for platform in asked if platform.connection == Connection.AUTHENTICATED]
    said = [_said(platform, order_id, Cloud.refetch) for platform in connected or asked]
    waiting = [one.platform for one in said if one.state == Whereabouts.WAITING]
    return decide(order_id, document, held, said), waiting


def decide(order_id: str, document: Document | None, held: HeldOrder | None, said: Sequence[Said]) -> Answer:
    """Where the order is, from what portal and cloud know. Pure."""
    if document is not None:
        return Answer(order_id, Whereabouts.DOCUMENT, document.platform, document=document)
    if held is not None:
        return Answer(order_id, Whereabouts.HELD, held.platform, held=held, why=say(held.reason))
    answers = [Answer(order_id, _whereabouts(one), one.platform, why=one.problem or one.note) for one in said]
    ranks = list(Whereabouts)
    return min(answers, key=lambda answer: ranks.index(answer.where), default=Answer(order_id, Whereabouts.NEVER_SEEN))


def _whereabouts(said: Said) -> Whereabouts:
    if said.problem is not None:
        return Whereabouts.UNANSWERED
    if said.foreign:
        return Whereabouts.NOT_THIS_SELLERS
    if said.state is None:
        return Whereabouts.NEVER_SEEN
    try:
        return Whereabouts(said.state)
    except ValueError:  # a newer cloud knows states that we do not
        return Whereabouts.UNANSWERED


def _here(order_id: str) -> tuple[Document | None, HeldOrder | None]:
    ids = db.session.scalars(select(Platform.id)).all()
    document = next(iter(documents_of_order(order_id, ids)), None)
    held = db.session.scalars(select(HeldOrder).where(HeldOrder.order_id == order_id).limit(1)).first()
    return document, held


def _said(platform: Platform, order_id: str, question: Callable[[Cloud, str, str], dict[str, Any]]) -> Said:
    try:
        known = question(Cloud.of(platform.credential), str(platform.reference), order_id)
    except NotThisSellers:
        return Said(platform, foreign=True)
    except NotFound:
        return Said(platform)
    except (Refused, Unavailable) as problem:
        return Said(platform, problem=str(problem))
    return Said(platform, str(known.get("state", "")), str(known.get("note") or ""))
