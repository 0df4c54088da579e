"""A worker is killed at each step of fetching. Every order is one document, with one number and one receipt."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.scheduler import MOST_ATTEMPTS
from portal.addresses import service
from portal.addresses.models import NumberRange, Purpose
from portal.addresses.numbers import Numbering, largest
from portal.automation.models import RunState
from portal.extensions import db
from tests.exactly_once.children import COMMIT, Step
from tests.exactly_once.shop import Shop

TASK = "fetch_orders"
# Two pages. The run begins and says what it expects, then a commit a page, then it ends.
ORDERS = 40
PAGE = 20
PAGES = 2
COMMITS = 2 + PAGES + 1
# Each place where something lasting has just happened, or is just about to; between two of them nothing lasts.
STEPS = [
    Step(TASK, "after", COMMIT, 1),
    Step(TASK, "before", COMMIT, 3),
    Step(TASK, "after", COMMIT, 3),
    Step(TASK, "after", "acknowledge", 1),
    Step(TASK, "before", COMMIT, 4),
    Step(TASK, "before", "acknowledge", 2),
    Step(TASK, "before", COMMIT, 5),
    Step(TASK, "after", COMMIT, 5),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_killed_at_a_step(shop: Shop, step: Step) -> None:
    shop.place(count=ORDERS)
    assert shop.work(step, PAGE)
    shop.settle(page_orders=PAGE)
    _check(shop)


def test_there_are_no_other_steps(shop: Shop) -> None:
    shop.settle()  # the fetch that the new connection asks for
    shop.place(count=ORDERS)
    assert not shop.work(Step(TASK, "before", COMMIT, COMMITS + 1), PAGE)
    _check(shop)


def test_only_the_jobs_own_process_is_killed(shop: Shop) -> None:
    """As when the machine's memory is used up: the worker goes on and takes the next job."""
    shop.place(count=ORDERS)
    assert not shop.work(Step(TASK, "after", COMMIT, 3, "kill job"), PAGE)
    assert shop.story()["runs"] == 1
    shop.settle(page_orders=PAGE)
    _check(shop)
    with shop.inside():
        assert 2 in [run.attempt for run in shop.runs()]


def test_killed_again_and_again_the_run_is_given_up_and_the_next_one_takes_all(shop: Shop) -> None:
    shop.place(count=ORDERS)
    for _ in range(MOST_ATTEMPTS):
        assert shop.work(Step(TASK, "before", COMMIT, 3), PAGE)
    shop.wake()
    shop.tick()
    with shop.inside():
        run = shop.runs()[-1] if len(shop.runs()) == 1 else shop.runs()[-2]
        assert run.state == RunState.FAILED
        assert run.problem and str(MOST_ATTEMPTS) in run.problem
    shop.settle(page_orders=PAGE)
    shop.check_inbox(ORDERS)
    shop.check_documents()


def test_killed_at_every_page_in_turn(shop: Shop) -> None:
    """Each worker gets one page further than the last one."""
    shop.place(count=ORDERS)
    kills = 0
    while shop.work(Step(TASK, "after", "acknowledge"), PAGE):
        kills += 1
        assert shop.story()["waiting"] == ORDERS - kills * PAGE
    assert kills == PAGES
    _check(shop)


@pytest.mark.parametrize("step", [Step(TASK, "before", COMMIT, 3), Step(TASK, "after", COMMIT, 4)], ids=str)
def test_killed_while_it_draws_numbers_of_a_year(shop: Shop, step: Step) -> None:
    with shop.inside():
        own = db.session.scalars(select(NumberRange).where(NumberRange.purpose == Purpose.ORDER)).one()
        service.change_range(own, Numbering("A{YYYY}-", 4, 1, largest(4), own.present_year))
        db.session.commit()
    shop.place(count=ORDERS)
    assert shop.work(step, PAGE)
    shop.settle(page_orders=PAGE)
    shop.check_inbox(ORDERS)
    with shop.inside():
        assert sorted(shop.documents()) == sorted(shop.placed)
        shop.check_ledger(Purpose.ORDER, ORDERS)


def _check(shop: Shop) -> None:
    shop.check_inbox(ORDERS)
    shop.check_documents()
    shop.check_runs()
    with shop.inside():
        runs = shop.runs()
        assert sum(run.created for run in runs) == ORDERS
        assert sum(run.orders for run in runs) == ORDERS + sum(run.repeated for run in runs)
        assert not sum(run.held for run in runs)
