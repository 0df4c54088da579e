"""Places orders steadily, as a market does, while the sandbox runs."""

from __future__ import annotations

import threading
from random import Random

from portal.sandbox import changes, times
from portal.sandbox.amazon import Amazon
from portal.sandbox.orders import MIX, Wish

# How long a payment takes to be settled.
_PENDING_FOR = 45 * times.SECOND
# How soon a changed rate is noticed.
_LONGEST_NAP = 2.0
_CANCELLED_WHILE_PENDING = 0.1


class Placer:
    """A thread that places a mix at `settings.orders_per_minute`, and settles what is pending."""

    def __init__(self, amazon: Amazon, seed: int = 1) -> None:
        self._amazon = amazon
        self._chance = Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="placer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        due = 0.0  # orders that should have been placed by now
        wait = 0.0
        while not self._stop.wait(wait):
            rate = self._amazon.settings.orders_per_minute / 60
            if rate <= 0:
                wait, due = _LONGEST_NAP, 1.0
                continue
            due += wait * rate * self._chance.uniform(0.7, 1.3)
            if due >= 1:
                self._amazon.place(Wish(MIX), int(due))
                due -= int(due)
                self._settle()
            wait = min(_LONGEST_NAP, 1 / rate)

    def _settle(self) -> None:
        for entry in self._amazon.orders.pending(times.now() - _PENDING_FOR):
            try:
                if self._chance.random() < _CANCELLED_WHILE_PENDING:
                    self._amazon.change(entry.order_id, changes.cancel)
                else:
                    self._amazon.change(entry.order_id, changes.release)
            except (changes.Impossible, LookupError):
                continue  # somebody was quicker, at the page
