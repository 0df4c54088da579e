"""A worker is killed at each step of collecting. Every order arrives, once."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from portal.extensions import redis
from tests.exactly_once.children import COMMIT, Step
from tests.exactly_once.shop import Shop

TASK = "collect_orders"
# Two pages of the marketplace. Each costs two commits, one before the call and one with the page; one looks whether
# there is something to look at again, and one ends the job.
ORDERS = 130
COMMITS = 6
CALLS = 2
# Each place where something lasting has just happened, or is just about to; between two of them nothing lasts.
STEPS = [
    Step(TASK, "after", COMMIT, 1),
    Step(TASK, "after", "search", 1),
    Step(TASK, "before", COMMIT, 2),
    Step(TASK, "after", COMMIT, 2),
    Step(TASK, "before", COMMIT, 4),
    Step(TASK, "after", COMMIT, 4),
    Step(TASK, "after", COMMIT, 5),
    Step(TASK, "after", COMMIT, 6),
]
# Behind them, two pages that are looked at again.
AGAIN = [
    Step(TASK, "after", COMMIT, 5),
    Step(TASK, "after", "search", 3),
    Step(TASK, "before", COMMIT, 6),
    Step(TASK, "after", COMMIT, 6),
    Step(TASK, "before", COMMIT, 8),
    Step(TASK, "after", COMMIT, 8),
]
# The attempt is committed, the account's address is called, the outcome is committed.
NEWS = [Step("deliver_event", "after", COMMIT, 1), Step("deliver_event", "before", COMMIT, 2)]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_killed_at_a_step(shop: Shop, step: Step) -> None:
    shop.place(count=ORDERS)
    assert shop.work(step)
    shop.settle()
    shop.check_inbox(ORDERS)
    shop.check_documents()
    shop.check_runs()


@pytest.mark.parametrize("step", AGAIN, ids=str)
def test_killed_while_looking_again(shop: Shop, step: Step) -> None:
    """It goes on where it was, is no repetition in its own eyes, and changes nothing that is there."""
    shop.place(count=ORDERS)
    shop.settle()
    with shop.owner.connect() as connection:
        wanted = text("SELECT id FROM cloud_platform WHERE account_id = :id")
        platform_id = connection.scalar(wanted, {"id": shop.merchant.account_id})
    fresh, rests = f"kontor:rescanned:{platform_id}", f"kontor:looking-again-rests:{platform_id}"
    with shop.app.app_context():
        redis().delete(fresh)  # a day later
        assert shop.work(step)
        assert not redis().exists(fresh) or step == AGAIN[-1]
        shop.work()
        assert redis().exists(fresh) and not redis().exists(rests)
    shop.settle()
    shop.check_inbox(ORDERS)
    shop.check_documents()


def test_there_are_no_other_steps(shop: Shop) -> None:
    shop.place(count=ORDERS)
    shop.amazon.forget_calls()
    shop.drop("jobs.collect.collect_orders")  # one collection: what the scheduler asks for
    assert not shop.work(Step(TASK, "before", COMMIT, COMMITS + 1))
    assert len(shop.amazon.calls("searchOrders")) == CALLS
    shop.settle()
    shop.check_documents()


def test_what_was_committed_is_not_asked_for_again(shop: Shop) -> None:
    """The next collector goes on at the page that was not committed, within the same window."""
    shop.place(count=ORDERS)
    shop.amazon.forget_calls()
    assert shop.work(Step(TASK, "after", COMMIT, 2))
    assert len(shop.amazon.calls("searchOrders")) == 1
    shop.settle()
    first, second = shop.amazon.calls("searchOrders")[:2]
    assert "paginationToken" not in first["query"]
    assert "paginationToken" in second["query"]
    shop.check_documents()


def test_orders_that_change_while_the_collector_is_dead_are_not_lost(shop: Shop) -> None:
    """They leave the window that was under way; the next window has them."""
    order_ids = shop.place(count=ORDERS)
    assert shop.work(Step(TASK, "after", COMMIT, 2))
    cancelled, changed = order_ids[-1], order_ids[5]
    shop.amazon.cancel(cancelled)
    shop.amazon.change(changed, address={"addressLine1": "Neuer Weg 1"})
    late = shop.place(count=3)
    shop.settle()
    shop.settle()
    with shop.inside():
        documents = shop.documents()
        assert set(late) <= set(documents)
        assert documents[changed].delivery["street"] == "Neuer Weg 1"
        assert cancelled not in documents or documents[cancelled].state == "cancelled"
    shop.check_documents([order_id for order_id in shop.placed if order_id != cancelled or order_id in documents])


@pytest.mark.parametrize("step", NEWS, ids=str)
def test_killed_while_telling_of_it(shop: Shop, step: Step) -> None:
    """The news that orders wait is lost or comes twice: that wakes nobody or somebody twice, no more."""
    shop.place(count=20)
    assert shop.work(step)
    shop.settle()
    shop.check_inbox(20)
    shop.check_documents()
    shop.check_runs()
