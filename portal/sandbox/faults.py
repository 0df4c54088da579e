"""Faults that a test or a person switches on: for an operation, for some calls, or by chance."""

from __future__ import annotations

import itertools
import random
import threading

from msgspec import Struct

# What each does, in the words of the page.
KINDS = {
    "429": "429, quota exceeded",
    "500": "500, before anything was done",
    "500_after": "500, although the work was done",
    "503": "503 with an HTML page",
    "reset_before": "connection reset before the work",
    "reset_after": "connection reset after the work was done",
    "slow": "answer held back for some seconds",
    "truncated": "body cut off, connection closed",
    "malformed": "body that is no JSON",
    "same_page": "same page again under a new token",
    "twice": "an order listed twice on a page",
    "no_items": "orders without their items",
    "late": "new orders listed only some seconds later",
    "drop": "204, but no package is kept",
}
OPERATIONS = ("searchOrders", "getOrder", "confirmShipment", "getMarketplaceParticipations", "token", "place")
ANY = "*"
# Those that make sense at one operation only.
AT_HOME = {
    "same_page": "searchOrders",
    "twice": "searchOrders",
    "late": "place",
    "drop": "confirmShipment",
}


class Fault(Struct, kw_only=True):
    """A fault that is switched on. `after`: calls that pass before it; `times`: None until switched off."""

    fault: str
    operation: str = ANY
    times: int | None = None
    after: int = 0
    probability: float = 1.0
    seconds: float = 5.0
    order_id: str | None = None
    id: int = 0
    fired: int = 0


class Faults:
    """All that are switched on. They end with the process."""

    def __init__(self, seed: int = 1) -> None:
        self._on: dict[int, Fault] = {}
        self._ids = itertools.count(1)
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    def switch_on(self, fault: Fault) -> Fault:
        """Raises ValueError for a fault that does not exist or can never come up."""
        if fault.fault not in KINDS:
            raise ValueError(f"There is no fault {fault.fault!r}; there are {', '.join(KINDS)}.")
        home = AT_HOME.get(fault.fault)
        if fault.operation == ANY and home:
            fault.operation = home
        if fault.operation not in (ANY, *OPERATIONS):
            raise ValueError(f"There is no operation {fault.operation!r}; there are {', '.join(OPERATIONS)}.")
        if home and fault.operation != home:
            raise ValueError(f"{fault.fault} happens at {home} only.")
        if fault.operation == "place" and fault.fault != "late":
            raise ValueError("Only late happens at place.")
        if not 0 < fault.probability <= 1:
            raise ValueError("The probability lies above 0 and is 1 at most.")
        with self._lock:
            fault.id = next(self._ids)
            fault.fired = 0
            self._on[fault.id] = fault
        return fault

    def switch_off(self, fault_id: int | None = None) -> None:
        """Switch one off, or all."""
        with self._lock:
            if fault_id is None:
                self._on.clear()
            else:
                self._on.pop(fault_id, None)

    def all(self) -> list[Fault]:
        with self._lock:
            return list(self._on.values())

    def take(self, operation: str, order_id: str | None = None) -> list[Fault]:
        """Those that hit this call. A fault with its number of times used up is gone."""
        hit = []
        with self._lock:
            for fault in list(self._on.values()):
                # "*" means the marketplace's calls; placing an order is none of them.
                if fault.operation != operation and (fault.operation != ANY or operation == "place"):
                    continue
                if fault.order_id is not None and fault.order_id != order_id:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.probability < 1 and self._chance.random() >= fault.probability:
                    continue
                fault.fired += 1
                hit.append(fault)
                if fault.times is not None and fault.fired >= fault.times:
                    del self._on[fault.id]
        return hit
