"""Schedulers and workers of tasks, killed at each step and many at once: no start is lost, none is made twice."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, text

from jobs import scheduler
from jobs.queues import Job, clear, queue, service_queue, waiting
from jobs.scheduler import MOST_ATTEMPTS
from jobs.tasks import run_task
from portal import locks
from portal.automation import tasks
from portal.automation.actions import save_schema
from portal.automation.areas import Scope, Step
from portal.automation.models import ActionRun, RunState, Task, TaskRun
from portal.automation.registry import AREAS
from portal.automation.tasks import Planned
from portal.automation.triggers import Trigger, TriggerKind
from portal.documents.models import HeldOrder
from portal.extensions import db, redis
from portal.locks import Lock
from portal.sentences import say
from tests.conftest import MakeTenant
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.exactly_once import children
from tests.exactly_once.children import COMMIT, AtOnce, run_job, run_scheduler

ACTIONS = 2
PATIENCE = 60.0


@dataclass
class Timetable:
    """A daily task. Each of its actions tries the one held order again, which counts the times."""

    desk: Desk
    owner: Engine

    def make_due(self) -> None:
        with self.desk.inside():
            db.session.scalars(select(Task)).one().next_at = datetime.now(UTC) - timedelta(minutes=1)
            db.session.commit()

    def tick(self) -> None:
        with self.desk.app.app_context():
            scheduler.tick()

    def pass_time(self) -> None:
        """What was begun was begun long ago; who was killed holds nothing, and no mark in Redis stands any more."""
        moved = "queued_at = queued_at - interval '1 hour', started_at = started_at - interval '1 hour'"
        with self.owner.begin() as connection:
            connection.execute(text(f"UPDATE task_run SET {moved} WHERE state IN ('queued', 'running')"))
        with self.desk.app.app_context():
            until = clock.monotonic() + PATIENCE
            while locks.held(Lock.TASK_RUN):  # until the server notices that its client is gone
                assert clock.monotonic() < until
                clock.sleep(0.02)
            for pattern in ("kontor:queued:*", "kontor:place:*"):
                for mark in redis().scan_iter(pattern):
                    redis().delete(mark)
            clear(self.queue)

    def work(self, run: TaskRun) -> None:
        """A worker does the run, which must wait for it."""
        with self.desk.app.app_context():
            assert waiting(self.queue) == [Job("jobs.tasks.run_task", (run.tenant_id, run.id))]
            clear(self.queue)
            run_task(run.tenant_id, run.id)

    def runs(self) -> list[TaskRun]:
        with self.desk.inside():
            return list(db.session.scalars(select(TaskRun).order_by(TaskRun.id)))

    def last(self) -> TaskRun:
        return self.runs()[-1]

    def tries(self) -> int:
        """How often the held order was tried: once for each action that was done."""
        with self.desk.inside():
            return int(db.session.scalars(select(HeldOrder.retries)).one())

    def actions(self, run: TaskRun) -> int:
        with self.desk.inside():
            of_run = select(func.count()).where(ActionRun.task_run_id == run.id, ActionRun.state == RunState.DONE)
            return db.session.scalar(of_run) or 0

    @property
    def queue(self) -> str:
        with self.desk.inside():
            return service_queue(db.session.scalars(select(Task.service_id)).one())


@pytest.fixture
def timetable(
    app: Flask, owner: Engine, quiet: None, make_tenant: MakeTenant, client_of: Callable[..., object]
) -> Iterator[Timetable]:
    desk = Desk.of(app, make_tenant(), client_of)  # type: ignore[arg-type]
    desk.take(an_order("028-1", total=None))
    with desk.inside():
        schema = save_schema("Held", AREAS["platforms"], Scope(), [Step("retry_held")])
        tasks.save(Task(), "Daily", True, Trigger(TriggerKind.DAILY, (time(3),)), [Planned(schema.id)] * ACTIONS)
        db.session.commit()
    yield Timetable(desk, owner)


def steps_of_a_tick() -> Iterator[children.Step]:
    for what in ("start", "plan"):
        yield children.Step("tick", "before", what)
        yield children.Step("tick", "after", what)
    for count in range(1, 50):
        yield children.Step("tick", "before", COMMIT, count)
        yield children.Step("tick", "after", COMMIT, count)


def test_a_scheduler_killed_at_each_step_loses_no_start_and_makes_none_twice(timetable: Timetable) -> None:
    killed = started = 0
    for step in steps_of_a_tick():
        before = len(timetable.runs())
        timetable.make_due()
        if not run_scheduler(step):
            break
        killed += 1
        started += len(timetable.runs()) - before
        for _ in range(2):
            timetable.pass_time()
            timetable.tick()
        assert len(timetable.runs()) == before + 1, step
        timetable.work(timetable.last())
        assert timetable.tries() == killed * ACTIONS, step
    assert killed >= 4 + 4 and 0 < started < killed, "some were killed before the start was kept, some after"


def test_a_worker_killed_at_each_step_is_gone_on_with(timetable: Timetable) -> None:
    """Behind each commit: until the next one nothing lasts. At most the record in hand is done once more."""
    for count in range(1, 50):
        timetable.make_due()
        timetable.tick()
        run, tries = timetable.last(), timetable.tries()
        killed = run_job(children.Step("run_task", "after", COMMIT, count), run.tenant_id, run.id)
        if not killed:
            break
        ended = timetable.last().state == RunState.DONE
        timetable.pass_time()
        timetable.tick()
        if not ended:
            timetable.work(run)
        run = timetable.last()
        assert (run.state, run.attempt, timetable.actions(run)) == (RunState.DONE, 1 if ended else 2, ACTIONS), count
        assert timetable.tries() - tries - ACTIONS in (0, 1), count
    assert count > ACTIONS * 4
    assert len(timetable.runs()) == count, "one for each time it was due"


def test_what_a_run_was_doing_when_it_is_given_up_has_failed_too(timetable: Timetable) -> None:
    timetable.make_due()
    timetable.tick()
    run = timetable.last()
    for _ in range(MOST_ATTEMPTS):  # begun, and its first action with it
        assert run_job(children.Step("run_task", "after", COMMIT, 2), run.tenant_id, run.id)
        timetable.pass_time()
    timetable.tick()
    run = timetable.last()
    assert run.state == RunState.FAILED and str(MOST_ATTEMPTS) in say(run.problem)
    with timetable.desk.inside():
        (child,) = db.session.scalars(select(ActionRun).where(ActionRun.task_run_id == run.id)).all()
        assert (child.state, child.problem) == (RunState.FAILED, run.problem) and child.ended_at


def test_two_schedulers_and_four_workers_at_once_run_a_task_once(timetable: Timetable) -> None:
    timetable.make_due()
    on = timetable.queue
    at_once = AtOnce(on, schedulers=2, workers=4, ticks=4)
    for child in at_once.schedulers:
        assert not children.end_worker(child)
    with timetable.desk.app.app_context():
        for run in timetable.runs() * 4:  # past the rule that it stands there once
            queue(on).enqueue("jobs.tasks.run_task", run.tenant_id, run.id)
    until = clock.monotonic() + PATIENCE
    while {run.state for run in timetable.runs()} != {RunState.DONE} or queue_length(timetable, on):
        assert clock.monotonic() < until
        clock.sleep(0.05)
    at_once.done.set()
    for child in at_once.workers:
        assert not children.end_worker(child)
    (run,) = timetable.runs()
    assert (run.attempt, timetable.tries()) == (1, ACTIONS)


def queue_length(timetable: Timetable, on: str) -> int:
    with timetable.desk.app.app_context():
        return len(waiting(on))
