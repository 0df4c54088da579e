"""Two workers at the same thing at the same time. Each order is one document all the same."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text

from jobs.fetch import fetch_orders
from jobs.queues import WORK, Job, clear, queue, waiting
from portal.automation.models import RunState
from portal.documents import fetch
from portal.documents.models import Document
from portal.extensions import db
from portal.locks import Lock
from tests.exactly_once.children import COMMIT, Step, end_worker, is_waiting, let_go_on, start_worker
from tests.exactly_once.shop import Shop, open_shop
from tests.patience import wait_until
from tests.sandbox.client import Sandbox

FETCH = "fetch_orders"
COLLECT = "collect_orders"
PAGE = 10


def test_one_fetch_is_queued_three_times_and_two_workers_take_it(shop: Shop) -> None:
    shop.settle()
    shop.place(count=60)
    _let_wait(shop, 60)
    shop.fetch()
    _queue_fetch(shop)
    _queue_fetch(shop)
    _work_side_by_side(PAGE)
    shop.settle(page_orders=PAGE)
    _check(shop, 60)


def test_a_person_the_scheduler_and_an_event_ask_at_once(shop: Shop) -> None:
    """One run is in flight, and looks once more before it ends."""
    shop.settle()
    shop.place(count=60)
    shop.fetch()
    shop.wake()
    shop.tick()
    _work_side_by_side(PAGE)
    shop.settle(page_orders=PAGE)
    _check(shop, 60)


def test_a_fetch_of_many_pages_lets_others_have_their_turn(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it goes on behind what has come to the queue meanwhile, as the same attempt."""
    monkeypatch.setattr("jobs.fetch.SLICE_SECONDS", 0)
    monkeypatch.setattr(fetch, "fetch_orders", partial(fetch.fetch_orders, page_orders=PAGE))
    shop.settle()
    shop.place(count=PAGE * 3)
    _let_wait(shop, PAGE * 3)
    shop.fetch()
    seen = []
    while not seen or seen[-1][0] == RunState.QUEUED:
        with shop.inside():
            run = shop.runs()[-1]
            assert Job("jobs.fetch.fetch_orders", (run.tenant_id, run.id)) in waiting(WORK)
        with shop.app.app_context():
            clear(WORK)
            fetch_orders(run.tenant_id, run.id)
        with shop.inside():
            run = shop.runs()[-1]
            seen.append((run.state, run.orders, run.expected, run.attempt))
    assert seen == [
        (RunState.QUEUED, PAGE, PAGE * 3, 1),
        (RunState.QUEUED, PAGE * 2, PAGE * 3, 1),
        (RunState.QUEUED, PAGE * 3, PAGE * 3, 1),  # the last page was full: there may be another
        (RunState.DONE, PAGE * 3, PAGE * 3, 1),
    ]
    shop.settle()
    _check(shop, PAGE * 3)


def test_a_fetch_that_was_given_up_for_dead_goes_on(shop: Shop) -> None:
    """Its hold on the run breaks and another worker does it all; then it wakes up and goes on where it was."""
    shop.place(count=40)
    sleeper = _sleeper(shop, Step(FETCH, "after", COMMIT, 3, then="wait"), Lock.RUN)
    shop.settle(page_orders=PAGE)
    shop.check_documents()
    let_go_on(shop.app)
    end_worker(sleeper)
    shop.settle(page_orders=PAGE)
    _check(shop, 40)
    with shop.inside():
        assert 2 in [run.attempt for run in shop.runs()]


def test_two_write_the_same_page_at_the_same_moment(shop: Shop) -> None:
    """The one holds the number ranges until it commits, so the other one waits, and then finds its documents."""
    shop.place(count=40)
    sleeper = _sleeper(shop, Step(FETCH, "before", COMMIT, 4, then="wait"), Lock.RUN)
    _queue_fetch(shop)
    other = start_worker(page_orders=PAGE)
    wait_until(lambda: _somebody_waits_for_a_row(shop))
    let_go_on(shop.app)
    end_worker(sleeper)
    end_worker(other)
    shop.settle(page_orders=PAGE)
    _check(shop, 40)


def test_two_platforms_of_one_tenant_draw_numbers_at_the_same_moment(
    app: Flask, owner: Engine, market: Sandbox, shop: Shop
) -> None:
    """The second one waits until the numbers of the first are certain: none is drawn twice, none left out."""
    other = open_shop(app, owner, market, shop.merchant, number=2)
    shop.settle()
    shop.place(count=30)
    other.place(count=30)
    shop.wake()
    shop.tick()
    sleeper = start_worker(Step(FETCH, "before", COMMIT, 4, then="wait"), PAGE)
    wait_until(lambda: is_waiting(app))
    awake = start_worker(page_orders=PAGE)
    wait_until(lambda: _somebody_waits_for_a_row(shop))
    let_go_on(app)
    end_worker(sleeper)
    end_worker(awake)
    shop.settle(page_orders=PAGE)
    with shop.inside():
        numbers = sorted(db.session.scalars(select(Document.number)).all())
        assert numbers == [f"A{number:07}" for number in range(1, 61)]
        assert sorted(shop.documents()) == sorted(shop.placed)
        assert sorted(other.documents()) == sorted(other.placed)


def test_one_collection_is_queued_three_times_and_two_workers_take_it(shop: Shop) -> None:
    shop.settle()
    shop.place(count=250)
    shop.wake()
    shop.tick()
    with shop.app.app_context():
        (job,) = (one for one in waiting(WORK) if one.task == "jobs.collect.collect_orders")
        for _ in range(2):
            queue(WORK).enqueue(job.task, *job.ids)
    _work_side_by_side()
    shop.settle()
    _check(shop, 250)


def test_a_collector_that_was_given_up_for_dead_goes_on(shop: Shop) -> None:
    """It comes with a page that is no longer the one under way, and writes nothing."""
    shop.place(count=230)
    sleeper = _sleeper(shop, Step(COLLECT, "after", "search", 1, then="wait"), Lock.COLLECTOR)
    shop.settle()
    shop.check_documents()
    pages = _pages(shop)
    let_go_on(shop.app)
    end_worker(sleeper)
    assert _pages(shop) == pages
    shop.settle()
    _check(shop, 230)


def _queue_fetch(shop: Shop) -> None:
    """Put the newest run on the queue, past the rule that it stands there once."""
    with shop.inside():
        run = shop.runs()[-1]
        queue(WORK).enqueue("jobs.fetch.fetch_orders", run.tenant_id, run.id)


def _sleeper(shop: Shop, step: Step, lock: int) -> Any:
    """A worker that sleeps at the step and has lost its hold on what it does."""
    shop.wake()
    shop.tick()
    sleeper = start_worker(step, PAGE)
    wait_until(lambda: is_waiting(shop.app))
    assert shop.lose_lock(lock) == 1
    return sleeper


def _work_side_by_side(page_orders: int | None = None) -> None:
    workers = [start_worker(page_orders=page_orders) for _ in range(2)]
    assert [end_worker(worker) for worker in workers] == [False, False]


def _let_wait(shop: Shop, count: int) -> None:
    """Collect, and drop the news of it, so that the orders wait in the cloud."""
    shop.wake()
    shop.tick()
    shop.drop("jobs.fetch.fetch_orders")
    worker = start_worker(Step("deliver_event", "before", COMMIT))
    end_worker(worker)
    assert shop.story()["waiting"] == count
    with shop.app.app_context():
        clear(WORK)


def _pages(shop: Shop) -> int:
    with shop.owner.connect() as connection:
        wanted = text("SELECT count(*) FROM cloud_collection WHERE account_id = :id AND orders > 0")
        return int(connection.execute(wanted, {"id": shop.merchant.account_id}).scalar_one())


def _somebody_waits_for_a_row(shop: Shop) -> bool:
    with shop.owner.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def _check(shop: Shop, orders: int) -> None:
    shop.check_inbox(orders)
    shop.check_documents()
    shop.check_runs()
