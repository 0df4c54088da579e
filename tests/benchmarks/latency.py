"""How long an order takes from the marketplace to the portal: placed in the sandbox until its document is committed.

All processes are those of `flask up`. Orders come one by one, at random moments, so they meet the
collector's pauses as real ones would. The sandbox grants what it grants a demo (usage plan "fast"),
since the pause between two searches follows from the plan.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import time

import psycopg

from portal.sandbox.plans import FAST
from tests.benchmarks.installation import Installation, free_port, say, size
from tests.sandbox.client import Sandbox

FULL_SAMPLES = 60
PAUSE_SECONDS = 3.0  # at most, before the next order
LOOK_EVERY = 0.01
MOST_SECONDS = 60.0


def run() -> None:
    """Measure."""
    count = size("SAMPLES", FULL_SAMPLES)
    port = free_port()
    with contextlib.ExitStack() as stack:
        installation = stack.enter_context(Installation.run(f"http://127.0.0.1:{port}"))
        amazon = stack.enter_context(Sandbox.run(port=port, plan="fast"))
        stack.enter_context(installation.web())
        stack.enter_context(installation.hands())
        database = stack.enter_context(installation.connect())
        merchant = installation.make_merchant()
        seller = amazon.add_seller()
        installation.connect_merchant(merchant, amazon, seller)
        chance = random.Random(1)
        took = [measure(amazon, database, seller)]  # the first waits for the connection's own window
        warm = []
        for _ in range(count):
            time.sleep(chance.uniform(0, PAUSE_SECONDS))
            warm.append(measure(amazon, database, seller))
    pause = 1 / FAST["searchOrders"].rate
    say(
        "latency",
        orders=count,
        median_s=round(statistics.median(warm), 2),
        p99_s=round(statistics.quantiles(warm, n=100, method="inclusive")[98], 2),
        longest_s=round(max(warm), 2),
        first_s=round(took[0], 2),
        reference=f"one call of searchOrders every {pause:g} s is what the plan grants",
    )


def measure(amazon: Sandbox, database: psycopg.Connection[object], seller: str) -> float:
    """Place an order and wait for its document; the seconds between."""
    began = time.monotonic()
    order_id = amazon.place_one(seller=seller)
    while not database.execute("SELECT FROM document WHERE order_id = %s", (order_id,)).rowcount:
        if time.monotonic() - began > MOST_SECONDS:
            raise RuntimeError(f"The order {order_id} is no document after {MOST_SECONDS:.0f} s.")
        time.sleep(LOOK_EVERY)
    return time.monotonic() - began
