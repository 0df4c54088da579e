"""The marketplace as a whole: what the APIs, the pages and the placer share."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, Concatenate, ParamSpec

from flask import current_app

from portal.sandbox import changes, orders, times
from portal.sandbox.calls import Calls
from portal.sandbox.confirmations import Confirmations
from portal.sandbox.faults import Faults
from portal.sandbox.grants import Grants, Sellers
from portal.sandbox.marketplaces import Marketplace, find
from portal.sandbox.orderbook import Entry, Orderbook
from portal.sandbox.plans import Limits
from portal.sandbox.questions import Questions
from portal.sandbox.searching import Searching
from portal.sandbox.settings import Settings
from portal.sandbox.store import Store

Json = dict[str, Any]
P = ParamSpec("P")


class Amazon:
    """One marketplace. Its orders and grants are in the store; faults, calls and budgets end with the process."""

    def __init__(self, file: Path | None, settings: Settings, public_url: str, seed: int = 1) -> None:
        self.settings = settings
        self._first_settings = settings
        self.public_url = public_url
        self.store = Store(file)
        self.orders = Orderbook(self.store)
        self.confirmations = Confirmations(self.store)
        self.sellers = Sellers(self.store)
        self.grants = Grants(self.store)
        self.limits = Limits(settings.plans)
        self.faults = Faults(seed)
        self.calls = Calls()
        self.questions = Questions()
        self.searching = Searching(self._secret("page tokens"))
        # Over an empty store every run is the same; over one with orders it goes on from there.
        self.chance = Random(f"{seed}:{self.orders.count()}")
        self._chance_lock = Lock()

    def set(self, settings: Settings) -> None:
        """Take new settings. Changed plans begin with full buckets."""
        if settings.plans != self.settings.plans:
            self.limits.change(settings.plans)
        self.settings = settings

    def place(
        self,
        wish: orders.Wish,
        count: int = 1,
        *,
        seller: str | None = None,
        updated: int | None = None,
        late: float = 0,
        spread: int = 0,
    ) -> list[str]:
        """Place orders of one wish; return their ids.

        `spread` (milliseconds) scatters them over the time before placed_at. Raises ValueError, LookupError.
        """
        seller_id = self.sellers.find(seller).id
        end = wish.placed_at or times.now()
        with self._chance_lock:
            moments = sorted(end - self.chance.randint(0, spread) if spread else end for _ in range(count))
            built = []
            for moment in moments:
                wish.placed_at = moment
                built.append(orders.build(wish, self.chance))
            return self.orders.place(
                seller_id, built, updated=updated, late=lambda: self._lateness(late), unused_id=self._another_id
            )

    def place_as_it_is(
        self, body: bytes, order_id: str, *, seller: str | None = None, updated: int | None = None, late: float = 0
    ) -> None:
        """Place an order in somebody's own words, malformed ones too."""
        self.orders.place_as_it_is(
            self.sellers.find(seller).id, body, order_id=order_id, updated=updated, late=self._lateness(late)
        )

    def change(
        self, order_id: str, change: Callable[Concatenate[Json, P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Let something happen to an order. Raises LookupError, changes.Impossible."""
        with self.store.transaction():
            entry = self.orders.find_anywhere(order_id)
            if entry is None:
                raise LookupError(f"There is no order {order_id}.")
            try:
                order = entry.order
                change(order, *args, **kwargs)
                self.orders.change(entry, order)
            except (ValueError, KeyError, TypeError, AttributeError) as odd:
                raise changes.Impossible(f"The order was placed as it is, and lacks what that needs: {odd!r}") from odd

    def entry(self, order_id: str) -> Entry:
        """Raises LookupError."""
        entry = self.orders.find_anywhere(order_id)
        if entry is None:
            raise LookupError(f"There is no order {order_id}.")
        return entry

    def reset(self, everything: bool = False) -> None:
        """As on the first day, but for what sellers have granted, unless `everything` goes."""
        with self.store.transaction():
            self.orders.clear()
            self.confirmations.clear()
            if everything:
                self.grants.clear()
        self.faults.switch_off()
        self.calls.clear()
        self.settings = self._first_settings
        self.limits.change(self.settings.plans)

    def _lateness(self, seconds: float) -> int:
        late = [fault.seconds for fault in self.faults.take("place")]
        return int(max([seconds, *late]) * times.SECOND)

    def _another_id(self, order: Json) -> str:
        try:
            marketplace: Marketplace = find(order["salesChannel"]["marketplaceId"])
        except LookupError:
            marketplace = find("DE")
        return orders.order_id(marketplace, self.chance)

    def _secret(self, name: str) -> bytes:
        with self.store.transaction() as connection:
            connection.execute(
                "INSERT INTO secret VALUES (?, ?) ON CONFLICT DO NOTHING", (name, secrets.token_bytes(32))
            )
            return bytes(connection.execute("SELECT value FROM secret WHERE name = ?", (name,)).fetchone()[0])


def playing() -> Amazon:
    """The marketplace of the app that is answering."""
    amazon: Amazon = current_app.extensions["amazon"]
    return amazon
