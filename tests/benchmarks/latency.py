"""How long an order takes from the marketplace to the portal: placed in the sandbox until its document is committed.

All processes are those of `flask up`. Orders come at random moments, one a second on average, so they meet the
collector's pauses as real ones would. The sandbox grants what it grants a demo (usage plan "fast"),
since the pause between two searches follows from the plan.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import threading
import time

import psycopg

from portal.sandbox.plans import FAST
from tests.benchmarks.installation import Installation, say, size
from tests.ports import free_port
from tests.sandbox.client import Sandbox

FULL_SAMPLES = 100
PAUSE_SECONDS = 1.0  # on average, between two orders
LOOK_EVERY = 0.02
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
        took = measure(amazon, database, seller, count)
    pause = 1 / FAST["searchOrders"].rate
    say(
        "latency",
        orders=count,
        median_s=round(statistics.median(took), 2),
        p99_s=round(statistics.quantiles(took, n=100, method="inclusive")[98], 2),
        longest_s=round(max(took), 2),
        reference=f"one call of searchOrders every {pause:g} s is what the plan grants; the collector takes two thirds",
    )


def measure(amazon: Sandbox, database: psycopg.Connection[object], seller: str, count: int) -> list[float]:
    """Place orders at random moments; the seconds from each to its document."""
    placed: dict[str, float] = {}
    took: dict[str, float] = {}
    all_placed = threading.Event()

    def place() -> None:
        chance = random.Random(1)
        for _ in range(count):
            time.sleep(chance.expovariate(1 / PAUSE_SECONDS))
            at = time.monotonic()
            placed[amazon.place_one(seller=seller)] = at
        all_placed.set()

    threading.Thread(target=place, daemon=True).start()
    while not all_placed.is_set() or len(took) < len(placed):
        waiting = [order_id for order_id in list(placed) if order_id not in took]
        rows = database.execute("SELECT order_id FROM document WHERE order_id = ANY(%s)", (waiting,)).fetchall()
        now = time.monotonic()
        took |= {row[0]: now - placed[row[0]] for row in rows}  # type: ignore[index]
        late = [order_id for order_id in waiting if now - placed[order_id] > MOST_SECONDS]
        if late:
            raise RuntimeError(f"The order {late[0]} is no document after {MOST_SECONDS:.0f} s.")
        time.sleep(LOOK_EVERY)
    return list(took.values())
