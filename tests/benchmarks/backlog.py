"""How many calls to the marketplace a backlog takes: the pages of searchOrders, and none for each order.

The sandbox plays the marketplace under Amazon's published usage plan, which grants 20 searches at once.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

from jobs import scheduler
from tests.benchmarks.installation import FLASK, Installation, Merchant, say, size
from tests.benchmarks.orders import MARKETPLACE_PAGE
from tests.ports import free_port
from tests.sandbox.client import Sandbox

FULL_ORDERS = 2000
SPREAD_DAYS = 10
MOST_SECONDS = 120.0
# Asked once when a seller connects, whatever waits; not calls for orders.
OF_CONNECTING = ("token", "getMarketplaceParticipations")


def run() -> None:
    """Measure."""
    count = min(size("ORDERS", FULL_ORDERS), FULL_ORDERS)
    port = free_port()
    with contextlib.ExitStack() as stack:
        installation = stack.enter_context(Installation.run(f"http://127.0.0.1:{port}"))
        amazon = stack.enter_context(Sandbox.run(port=port, plan="published"))
        stack.enter_context(installation.web())
        say("backlog", **backlog(installation, amazon, count))


def backlog(installation: Installation, amazon: Sandbox, count: int) -> dict[str, Any]:
    """Let orders wait at the marketplace, connect, and work until each is a document."""
    merchant = installation.make_merchant()
    seller = amazon.add_seller()
    amazon.place("plain", count, seller=seller, spread_days=SPREAD_DAYS)
    amazon.forget_calls()
    began = time.monotonic()
    installation.connect_merchant(merchant, amazon, seller)
    while (made := documents(installation, merchant)) < count:
        if time.monotonic() - began > MOST_SECONDS:
            raise RuntimeError(f"Only {made} of {count} orders became documents within {MOST_SECONDS:.0f} s.")
        with installation.app.app_context():
            scheduler.tick()
        installation.finish("worker", (*FLASK, "worker", "--burst"))
    counts = amazon.call_counts()
    calls = sum(number for operation, number in counts.items() if operation not in OF_CONNECTING)
    return {
        "orders": count,
        "calls": calls,
        "reference": math.ceil(count / MARKETPLACE_PAGE),
        "of": counts,
        "seconds": round(time.monotonic() - began, 1),
    }


def documents(installation: Installation, merchant: Merchant) -> int:
    """How many documents the merchant has."""
    with installation.connect() as connection:
        row = connection.execute("SELECT count(*) FROM document WHERE tenant_id = %s", (merchant.tenant_id,)).fetchone()
    return row[0] if row else 0
