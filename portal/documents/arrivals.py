"""What an intake is given and what it answers: where orders come from, the orders, and what became of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from portal.addresses.matching import MatchRule
from portal.documents.plan import Draft, Settings
from portal.order import Delivery, Order


@dataclass(frozen=True)
class Source:
    """Where a page came from, for its receipts, the settings it is planned with, and how customers are known again."""

    platform_id: int
    address_status_id: int
    guest_status_id: int
    settings: Settings
    match_rule: MatchRule
    siblings: tuple[int, ...] = ()  # other platforms that had orders of the same seller: what is there is there
    run_id: int | None = None
    attempt: int = 0
    worker: str = ""
    request_id: str = ""

    def status_of(self, draft: Draft) -> int:
        """The address status of the draft's buyer, if he is new."""
        return self.guest_status_id if draft.order.is_guest else self.address_status_id


@dataclass(frozen=True, slots=True)
class Arrival:
    """An order that arrived: decoded, and as it came, byte for byte."""

    order: Order
    payload: bytes
    collection: int


@dataclass
class Tally:
    """What became of the orders of a page."""

    orders: int = 0
    created: int = 0
    changed: int = 0
    held: int = 0
    repeated: int = 0
    documents: dict[str, int] = field(default_factory=dict)  # order id to document id, of those created or changed
    reasons: dict[str, str] = field(default_factory=dict)  # order id to why it is held

    def add(self, other: Tally) -> None:
        self.orders += other.orders
        self.created += other.created
        self.changed += other.changed
        self.held += other.held
        self.repeated += other.repeated
        self.documents.update(other.documents)
        self.reasons.update(other.reasons)


def arrived(delivery: Delivery) -> Arrival:
    """Decode a delivered order. Raises msgspec.DecodeError (a ValueError) where the cloud speaks another language."""
    payload = bytes(delivery.order)
    return Arrival(msgspec.json.decode(payload, type=Order), payload, delivery.collection)


def payload_hash(payload: bytes) -> bytes:
    """SHA-256 of the order as it was delivered."""
    return hashlib.sha256(payload).digest()
