"""A worker is killed at each step of reporting a parcel. The marketplace has it once, and the portal knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, exists

from portal.documents.models import Document
from portal.extensions import db
from portal.shipments.models import Shipment
from tests.conftest import MakeTenant
from tests.exactly_once import children
from tests.exactly_once.children import COMMIT, Step
from tests.exactly_once.conftest import hush
from tests.exactly_once.shop import Shop, open_shop
from tests.sandbox.client import Sandbox

NUMBER = "00340434161094000001"

# From the portal to the cloud: one call and one commit.
TO_CLOUD = [
    Step("report_shipment", "before", "submit"),
    Step("report_shipment", "after", "submit"),
    Step("report_shipment", "after", COMMIT),
]
# From the cloud to the marketplace: the attempt is committed, the call is made, the answer is committed.
TO_MARKETPLACE = [
    Step("send_message", "before", COMMIT, 1),
    Step("send_message", "before", "confirm"),
    Step("send_message", "after", "confirm"),
    Step("send_message", "after", COMMIT, 2),
]
# Later the marketplace is asked whether it shows the package: a commit before the call, and one with the answer.
LOOKS = [Step("send_message", "before", COMMIT, 2), Step("send_message", "after", COMMIT, 2)]


# More than there are tests: each ships one.
ORDERS = 20


@pytest.fixture(scope="module")
def stocked(app: Flask, owner: Engine, market: Sandbox, live_server: str, make_tenant: MakeTenant) -> Shop:
    """A shop whose orders have become documents: each test ships one."""
    hush(app, owner)
    children.get_ready()
    shop = open_shop(app, owner, market, make_tenant())
    shop.place("several", count=ORDERS)
    shop.settle()
    return shop


@pytest.fixture
def shop(stocked: Shop, quiet: None) -> Shop:
    """The shop, which neither collects nor fetches by itself."""
    return stocked


@pytest.fixture
def order_id(shop: Shop) -> str:
    """An order of which nothing is shipped."""
    with shop.inside():
        untouched = db.select(Document.order_id).where(~exists().where(Shipment.document_id == Document.id))
        return str(db.session.scalars(untouched.order_by(Document.id)).first())


@pytest.mark.parametrize("step", TO_CLOUD, ids=str)
def test_killed_on_the_way_to_the_cloud(shop: Shop, order_id: str, step: Step) -> None:
    shop.ship(order_id, NUMBER)
    assert shop.work(step)
    shop.settle()
    _check(shop, order_id)


@pytest.mark.parametrize("step", TO_MARKETPLACE, ids=str)
def test_killed_on_the_way_to_the_marketplace(shop: Shop, order_id: str, step: Step) -> None:
    shop.ship(order_id, NUMBER)
    assert shop.work(step)
    shop.settle()
    _check(shop, order_id)


@pytest.mark.parametrize("step", LOOKS, ids=str)
def test_killed_while_looking_whether_it_is_there(shop: Shop, order_id: str, step: Step) -> None:
    shop.ship(order_id, NUMBER)
    assert not shop.work()
    assert _states(shop, order_id) == ["sent"]
    assert shop.work(step)
    shop.settle()
    _check(shop, order_id)


def test_there_are_no_other_steps(shop: Shop, order_id: str) -> None:
    shop.ship(order_id, NUMBER)
    assert not shop.work(Step("send_message", "before", COMMIT, 3))
    assert not shop.work(Step("report_shipment", "before", COMMIT, 2))
    shop.settle()
    _check(shop, order_id)


def test_killed_at_every_step_in_turn(shop: Shop, order_id: str) -> None:
    """The worst day: each worker that touches the parcel dies, each a step later than the last one."""
    shop.ship(order_id, NUMBER)
    for step in TO_CLOUD + TO_MARKETPLACE:
        shop.work(step)
    shop.settle()
    _check(shop, order_id)
    shop.collect(True)  # the marketplace's own news of the parcel come back
    shop.settle()
    shop.check_documents()


def test_killed_after_a_confirmation_that_the_marketplace_lost(shop: Shop, order_id: str) -> None:
    """Amazon answered 204 and did nothing. Nobody could tell; looking does."""
    shop.ship(order_id, NUMBER)
    lost = shop.amazon.fault("drop", "confirmShipment", times=1, order_id=order_id)
    assert shop.work(Step("send_message", "after", "confirm"))
    assert not shop.amazon.confirmations(order_id)
    shop.settle()
    shop.amazon.faults_off(lost)
    shop.check_parcel(order_id, NUMBER)
    assert len(shop.amazon.calls("confirmShipment", order_id)) == 2


def test_killed_while_the_marketplace_does_not_show_packages_yet(shop: Shop, order_id: str, unshown: None) -> None:
    """In doubt the message goes out again: the same package reference edits the package, and adds none."""
    shop.ship(order_id, NUMBER)
    assert shop.work(Step("send_message", "after", "confirm"))
    assert not shop.work()
    shop.amazon.set(withheld=[])
    shop.settle()
    shop.check_parcel(order_id, NUMBER, edits=1)


def test_two_parcels_of_one_order_and_a_kill_between(shop: Shop) -> None:
    item = {"price": "9.99", "quantity": 3}
    order_id = shop.place(items=[item])[0]
    shop.collect(True)
    shop.settle()
    shop.collect(False)
    shop.ship(order_id, NUMBER, {1: 2})
    shop.ship(order_id, "00340434161094000002", {1: 1})
    assert shop.work(Step("send_message", "after", "confirm"))
    assert shop.work(Step("send_message", "before", COMMIT, 2))
    shop.settle()
    assert _states(shop, order_id) == ["confirmed", "confirmed"]
    packages = {package["packageReferenceId"]: package for package in shop.amazon.packages(order_id)}
    assert {reference: package["packageItems"][0]["quantity"] for reference, package in packages.items()} == {
        "1": 2,
        "2": 1,
    }
    assert [one["edits"] for one in shop.amazon.confirmations(order_id)] == [0, 0]
    assert shop.amazon.status(order_id) == "SHIPPED"


@pytest.fixture
def unshown(shop: Shop) -> Iterator[None]:
    shop.amazon.set(withheld=["PACKAGES"])
    yield
    shop.amazon.set(withheld=[])


def _states(shop: Shop, order_id: str) -> list[str]:
    with shop.inside():
        of_order = db.select(Shipment.state).join(Document).where(Document.order_id == order_id)
        return [str(state) for state in db.session.scalars(of_order.order_by(Shipment.id))]


def _check(shop: Shop, order_id: str) -> None:
    """Confirmed once, by one call that the marketplace carried out."""
    shop.check_parcel(order_id, NUMBER)
    assert [call["status"] for call in shop.amazon.calls("confirmShipment", order_id)] == [204]
