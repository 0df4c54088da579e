"""A log of the calls that came in. It holds no token and no person's data."""

from __future__ import annotations

import threading
from collections import Counter, deque

from msgspec import Struct

# Enough for any test; the counts go on beyond it.
KEPT = 20_000


class Call(Struct):
    """One call. `status` is 0 where no answer was sent; `fault` names those that hit it."""

    operation: str
    status: int
    at: str
    request_id: str
    milliseconds: float
    seller: str | None = None
    order_id: str | None = None
    query: dict[str, str] = {}
    fault: str | None = None


class Calls:
    """The last calls, and how many there were of each operation."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
            self._counts[call.operation] += 1

    def list(self, operation: str | None = None, order_id: str | None = None) -> list[Call]:
        with self._lock:
            return [
                call
                for call in self._calls
                if operation in (None, call.operation) and order_id in (None, call.order_id)
            ]

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._counts.clear()
