"""Usage plans: a token bucket for each seller and operation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Plan(NamedTuple):
    """What a bucket gains each second, and what it holds at most."""

    rate: float
    burst: float


Plans = Mapping[str, Plan]

# Source: the usage plan tables of the Orders and Sellers models.
PUBLISHED: Plans = {
    "searchOrders": Plan(0.0056, 20),
    "getOrder": Plan(0.5, 30),
    "confirmShipment": Plan(2, 10),
    "getMarketplaceParticipations": Plan(0.016, 15),
}
# What a large seller may be given; a demo shows its orders within seconds.
FAST: Plans = {
    "searchOrders": Plan(0.5, 20),
    "getOrder": Plan(5, 30),
    "confirmShipment": Plan(10, 30),
    "getMarketplaceParticipations": Plan(1, 15),
}
# As much as a client that checks the named limit still believes.
UNLIMITED: Plans = dict.fromkeys(PUBLISHED, Plan(1000, 100_000))
NAMED: Mapping[str, Plans] = {"published": PUBLISHED, "fast": FAST, "unlimited": UNLIMITED}


@dataclass
class Bucket:
    tokens: float
    filled_at: float


class Limits:
    """The buckets. They begin full and are as good as new when the plans change."""

    def __init__(self, plans: Plans, clock: Callable[[], float] = time.monotonic) -> None:
        self.plans = plans
        self._clock = clock
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    def spend(self, seller: str, operation: str) -> bool:
        """Take a token. False: the bucket is empty."""
        plan = self.plans[operation]
        with self._lock:
            moment = self._clock()
            bucket = self._buckets.setdefault((seller, operation), Bucket(plan.burst, moment))
            bucket.tokens = min(plan.burst, bucket.tokens + (moment - bucket.filled_at) * plan.rate)
            bucket.filled_at = moment
            if bucket.tokens < 1:
                return False
            bucket.tokens -= 1
            return True

    def change(self, plans: Plans) -> None:
        with self._lock:
            self.plans = plans
            self._buckets.clear()
