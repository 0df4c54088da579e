"""Turns at a queue: on a real one, what is put there in any order comes off it fairly, and all of it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import queues, turns
from jobs.queues import TASKS, Job, clear, keep_order, lost, queue, taken, waiting
from portal.extensions import redis

NAME = "turns-of-tests"
FETCH, REPORT, COLLECT = "jobs.fetch.fetch_orders", "jobs.report.report_shipment", "jobs.collect.collect_orders"
NOBODY = 10**9  # owners are counted from here: what other tests have queued is not theirs


@pytest.fixture
def line(app):
    """The queue, empty before and after."""
    with app.app_context():
        clear(NAME)
        yield
        clear(NAME)


def put(*jobs: Job, first: bool = False) -> None:
    for job in jobs:
        queues.enqueue(job.task, *job.ids, on=NAME, first=first)


def take() -> Job | None:
    """What a worker does when it is free."""
    found = queue(NAME).jobs
    if not found:
        return None
    queue(NAME).remove(found[0])
    job = Job(str(found[0].func_name), tuple(found[0].args))
    taken(NAME, job)
    return job


def take_all() -> list[Job]:
    return list(iter(take, None))


def report(owner: int, number: int) -> Job:
    return Job(REPORT, (NOBODY + owner, number))


def reports(owner: int, count: int) -> list[Job]:
    return [report(owner, number) for number in range(count)]


def test_thousands_of_one_delay_another_by_one(line):
    put(*reports(1, 2_000), *reports(2, 1))
    assert [take(), take()] == [report(1, 0), report(2, 0)]
    put(*reports(3, 2))
    assert [job.ids[0] - NOBODY for job in (take(), take(), take(), take())] == [1, 3, 1, 3]
    assert queue(NAME).count == 1 and len(waiting(NAME)) == 1_997


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([FETCH, REPORT, COLLECT]), st.integers(1, 4), st.integers(1, 6)), max_size=40)
)
def test_whatever_is_put_comes_once_and_in_turns(app, wanted):
    jobs = [Job(task, (NOBODY + owner, number)) for task, owner, number in wanted]
    with app.app_context():
        clear(NAME)
        put(*jobs)
        assert set(waiting(NAME)) == set(jobs)
        order = take_all()
        assert Counter(order) == Counter(set(jobs))
        # Nobody comes twice in a row while another waits; of one's own the lower rank comes first, but for the
        # one that had its place already.
        for place, (one, next_one) in enumerate(pairwise(order)):
            others = {job.owner for job in order[place + 1 :]} - {one.owner}
            assert one.owner != next_one.owner or not others
        for owner in {job.owner for job in jobs}:
            ranks = [TASKS[job.task].rank for job in order if job.owner == owner]
            assert ranks[1:] == sorted(ranks[1:])
        assert not redis().keys(f"{turns.PLACE}{NAME}*") and not redis().keys(f"{turns.LINE}{NAME}*")


def test_collecting_goes_before_its_accounts_messages(line):
    messages = [Job("jobs.outbox.send_message", (NOBODY + 1, number)) for number in range(5)]
    collecting = Job(COLLECT, (NOBODY + 1, 9))
    put(*messages, collecting)
    assert take_all()[:2] == [messages[0], collecting]


def test_what_waits_is_not_put_there_again_and_what_was_taken_is(line):
    one, two = reports(1, 2)
    put(one, two, one, two)
    assert waiting(NAME) == [one, two]
    assert take() == one
    put(one)
    assert take_all() == [two, one]


def test_the_first_goes_before_all_and_only_once(line):
    put(*reports(1, 3), *reports(2, 1))
    wanted = report(1, 2)
    put(wanted, first=True)
    assert take_all() == [wanted, report(1, 0), report(2, 0), report(1, 1)]


def test_a_place_that_was_lost_with_its_job_is_free_again_after_a_while(line):
    put(*reports(1, 3))
    queue(NAME).empty()  # its worker died before it could say that it took the job
    keep_order()
    assert take() is None
    redis().delete(f"{turns.PLACE}{NAME}:tenant-{NOBODY + 1}")  # a minute later
    redis().delete(f"{turns.MARK}{reports(1, 1)[0]}")
    keep_order()
    assert take_all() == reports(1, 3)[1:]
    assert lost([(reports(1, 1)[0], NAME)]) == [True]


def test_who_waits_long_keeps_his_place_and_is_not_queued_twice(line):
    put(*reports(1, 2))
    for key in (f"{turns.PLACE}{NAME}:tenant-{NOBODY + 1}", f"{turns.MARK}{reports(1, 1)[0]}"):
        redis().expire(key, 1)
    redis().delete(queues.KEPT)
    keep_order()
    assert redis().ttl(f"{turns.PLACE}{NAME}:tenant-{NOBODY + 1}") > 1
    assert lost([(job, NAME) for job in reports(1, 3)]) == [False, False, True]
    put(*reports(1, 2))
    assert queue(NAME).count == 1 and waiting(NAME) == reports(1, 2)
