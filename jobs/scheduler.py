"""The scheduler: looks each second at what is due in PostgreSQL, and queues it.

Claiming a row moves its due time in the same statement, so any number of schedulers may run.
Whatever was lost (a job in Redis, a worker, a webhook) comes up here again when it is due.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress, groupby
from operator import itemgetter
from types import FrameType
from typing import Any

import structlog
from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from jobs.queues import WORK, Job, enqueue, keep_order, lost, service_queue
from portal import locks, mail
from portal.automation import actions, runs, services, tasks
from portal.automation.models import IN_FLIGHT, ActionRun, Run, TaskRun
from portal.extensions import db, redis
from portal.locks import Lock
from portal.platforms.models import Platform
from portal.scope import tenant

log = structlog.get_logger()

TICK_SECONDS = 1.0
MOST_A_TICK = 500
# How soon a claimed thing comes up again if nothing came of it. Fetches are woken by the cloud's
# events; this interval is for when an event is lost.
FETCH_PAUSE = "5 minutes"
RETRY_PAUSE = "1 minute"
# How often a tenant with something to tell is looked after.
LOOK_PAUSE = "20 seconds"
# What the cloud keeps of orders that are done, of messages and events that are settled, and of calls that brought
# nothing, to be looked up. Amazon wants buyers' data gone 30 days after the delivery (Data Protection Policy).
KEPT = "30 days"
MOST_DONE = 5000  # orders a tick
CLOUD_TIDIED = "kontor:tidied"
TIDIED_EVERY = 3600
RUNS_TIDIED = "kontor:tidied:runs"
MOST_FORGOTTEN = 200  # runs a tick; each may have five actions of a thousand messages
# A run that got no further in this many beginnings has something that kills workers.
MOST_ATTEMPTS = 5


@dataclass(frozen=True)
class Kind:
    """Runs that may lose their worker: who names those unfinished, and what becomes of one that nobody works on."""

    unfinished: str
    lock: Lock
    model: Any
    task: str
    queue_anew: Callable[[Any], None]
    give_up: Callable[[Any], None]
    queue: Callable[[Any], str] = lambda row: WORK  # of what `unfinished` tells of a run


KINDS = (
    Kind("portal_unfinished_runs", Lock.RUN, Run, "jobs.fetch.fetch_orders", runs.queue_anew, runs.fail_lost),
    Kind(
        "portal_unfinished_actions",
        Lock.ACTION_RUN,
        ActionRun,
        "jobs.actions.run_actions",
        actions.queue_anew,
        actions.fail_lost,
    ),
    Kind(
        "portal_unfinished_tasks",
        Lock.TASK_RUN,
        TaskRun,
        "jobs.tasks.run_task",
        tasks.queue_anew,
        tasks.fail_lost,
        lambda row: service_queue(row.service_id),
    ),
)


def run(app: Flask, once: bool = False) -> None:
    """Tick until stopped by SIGTERM or SIGINT."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    if not once:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
    while not stopped:
        began, more = time.monotonic(), False
        with app.app_context():
            try:
                more = tick()
            except (SQLAlchemyError, RedisError) as error:
                db.session.rollback()
                log.warning("tick_failed", error=type(error).__name__)
        if once:
            return
        if not more:
            time.sleep(max(0.05, TICK_SECONDS - (time.monotonic() - began)))


def tick() -> bool:
    """Queue everything that is due now. True if more tasks are due than were started."""
    for account_id, platform_id in _claim("cloud_claim_platforms", RETRY_PAUSE):
        enqueue("jobs.collect.collect_orders", account_id, platform_id)
    for account_id, message_id in _claim("cloud_claim_messages", RETRY_PAUSE):
        enqueue("jobs.outbox.send_message", account_id, message_id)
    for account_id, event_id in _claim("cloud_claim_events", RETRY_PAUSE):
        enqueue("jobs.outbox.deliver_event", account_id, event_id)
    for tenant_id, shipment_id in _claim("portal_claim_shipments", RETRY_PAUSE):
        enqueue("jobs.report.report_shipment", tenant_id, shipment_id)
    for tenant_id, platform_id in _claim("portal_claim_fetches", FETCH_PAUSE):
        with tenant(tenant_id):
            runs.start_fetch(db.session.get_one(Platform, platform_id), cause="schedule")
    db.session.commit()
    # Claimed, started and planned anew in one transaction: killed in between, nothing has happened.
    due = _claim("portal_claim_tasks", RETRY_PAUSE)
    for tenant_id, claimed in groupby(sorted(due), key=itemgetter(0)):
        with tenant(tenant_id):
            tasks.start_due([task_id for _, task_id in claimed])
    db.session.commit()
    if mail.is_set_up():
        for (tenant_id,) in _claim("portal_claim_digests", LOOK_PAUSE):
            enqueue("jobs.notices.tell", tenant_id)
        db.session.commit()
    for kind in KINDS:
        _revive(kind)
    keep_order()
    services.watch()
    _tidy()
    return len(due) >= MOST_A_TICK


def _tidy() -> None:
    """Once an hour, whichever scheduler comes first: drop what nobody looks up any more."""
    _forget(CLOUD_TIDIED, "cloud_forget(CAST(:kept AS interval), :most)", MOST_DONE, kept=KEPT)
    _forget(RUNS_TIDIED, "portal_forget_runs(:most)", MOST_FORGOTTEN)


def _forget(mark: str, function: str, most: int, **values: str) -> None:
    if not redis().set(mark, 1, ex=TIDIED_EVERY, nx=True):
        return
    dropped = db.session.scalar(text(f"SELECT {function}"), {**values, "most": most})
    db.session.commit()
    log.info("tidied", mark=mark, rows=dropped)
    if dropped >= most:  # the rest with the next ticks, so that none takes long
        redis().delete(mark)


def _claim(function: str, pause: str) -> list[tuple[int, ...]]:
    rows = db.session.execute(
        text(f"SELECT * FROM {function}(CAST(:pause AS interval), :most)"),  # noqa: S608  the names are above
        {"pause": pause, "most": MOST_A_TICK},
    )
    return [tuple(row) for row in rows]


def _revive(kind: Kind) -> None:
    """Queue anew the runs whose job or worker is gone: nobody works on them, and they wait nowhere."""
    unfinished = db.session.execute(text(f"SELECT * FROM {kind.unfinished}(interval '3 seconds')")).all()  # noqa: S608
    if not unfinished:
        return
    worked_on = locks.held(kind.lock)
    idle = [row for row in unfinished if row[1] not in worked_on]
    wait_nowhere = lost([(Job(kind.task, (row[0], row[1])), kind.queue(row)) for row in idle])
    for tenant_id, id, *_more in compress(idle, wait_nowhere):
        with tenant(tenant_id):
            run = db.session.get(kind.model, id, populate_existing=True)
            if run is not None and run.state in IN_FLIGHT:
                if run.fruitless >= MOST_ATTEMPTS:
                    kind.give_up(run)
                else:
                    kind.queue_anew(run)
            db.session.commit()
    db.session.rollback()
