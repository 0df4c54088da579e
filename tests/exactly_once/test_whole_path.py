"""One order through everything: consent, collecting, inbox, fetch, document, parcel, confirmation."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from portal import processes
from portal.extensions import db
from portal.platforms.models import Connection, Platform
from portal.shipments.models import Shipment
from tests.exactly_once.shop import Shop
from tests.patience import wait_until
from tests.sandbox.client import PROJECT

NUMBER = "00340434161094000001"


def test_an_order_goes_through_worker_by_worker(shop: Shop) -> None:
    order_id = shop.place("several")[0]
    shop.settle()
    shop.check_documents([order_id])
    shop.check_inbox(1)
    with shop.inside():
        platform = db.session.get_one(Platform, shop.platform_id)
        assert platform.connection == Connection.AUTHENTICATED
        assert platform.seller_id == shop.seller
    shop.ship(order_id, NUMBER)
    shop.settle()
    shop.check_parcel(order_id, NUMBER)
    assert shop.amazon.status(order_id) == "SHIPPED"
    # Amazon's own news of the parcel comes back as a new version; it changes the document, not their number.
    shop.settle()
    shop.check_documents([order_id])
    with shop.inside():
        assert shop.documents()[order_id].state == "shipped"


def test_an_order_goes_through_by_itself(shop: Shop) -> None:
    """The commands an installation runs, and nobody who helps."""
    with running("worker"), running("scheduler"):
        order_id = shop.place("shipping")[0]
        wait_until(lambda: _seen(shop, order_id))
        shop.ship(order_id, NUMBER)
        wait_until(lambda: _confirmed(shop))
    shop.check_documents([order_id])
    shop.check_parcel(order_id, NUMBER)


@contextmanager
def running(command: str) -> Iterator[None]:
    process = processes.spawn([sys.executable, "-m", "flask", command], folder=PROJECT, environment=os.environ)
    try:
        yield
        assert process.poll() is None, f"{command} ended by itself"
    finally:
        processes.end([process], signal.SIGTERM)


def _seen(shop: Shop, order_id: str) -> bool:
    with shop.inside():
        return order_id in shop.documents()


def _confirmed(shop: Shop) -> bool:
    with shop.inside():
        return db.session.scalars(db.select(Shipment.state)).all() == ["confirmed"]
