"""A job is sent with the commit of the transaction that asked for it, and with nothing less."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from jobs.queues import Job, clear, enqueue, waiting
from portal.extensions import db

NAME = "queue-of-tests"


@pytest.fixture
def line(app):
    """Where no transaction is open, on an empty queue."""
    with app.app_context():
        clear(NAME)
        yield
        db.session.rollback()
        clear(NAME)


def ask(number: int) -> None:
    db.session.execute(text("SELECT 1"))
    enqueue("jobs.report.report_shipment", 10**9, number, on=NAME)


def sent() -> list[int]:
    return [job.ids[1] for job in waiting(NAME)]


def test_it_is_sent_at_once_where_no_transaction_is_open(line):
    enqueue("jobs.report.report_shipment", 10**9, 1, on=NAME)
    assert waiting(NAME) == [Job("jobs.report.report_shipment", (10**9, 1))]


def test_it_is_sent_after_the_commit(line):
    ask(1)
    assert not sent()
    db.session.commit()
    assert sent() == [1]


def test_nothing_is_sent_after_a_rollback(line):
    ask(1)
    db.session.rollback()
    db.session.execute(text("SELECT 1"))
    db.session.commit()
    assert not sent()


def test_the_end_of_a_savepoint_sends_nothing(line):
    ask(1)
    with db.session.begin_nested():
        ask(2)
    assert not sent()
    db.session.commit()
    assert sent() == [1, 2]


def test_a_savepoint_that_is_rolled_back_takes_its_own_jobs_along_and_no_others(line):
    ask(1)
    outer = db.session.begin_nested()
    ask(2)
    with db.session.begin_nested():
        ask(3)
    outer.rollback()
    ask(4)
    with db.session.begin_nested():
        inner = db.session.begin_nested()
        ask(5)
        inner.rollback()
        ask(6)
    db.session.commit()
    assert sent() == [1, 4, 6]
