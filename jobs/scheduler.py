"""The scheduler: looks each second at what is due in PostgreSQL, and queues it.

Claiming a row moves its due time in the same statement, so any number of schedulers may run.
Whatever was lost (a job in Redis, a worker, a webhook) comes up here again when it is due.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jobs.queues import enqueue
from portal import mail
from portal.automation import actions, runs, tasks
from portal.automation.claims import Claimed, is_unclaimed
from portal.automation.models import IN_FLIGHT, ActionRun, Run, TaskRun
from portal.extensions import db, redis
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
# Events that are settled and calls that brought nothing are kept this long, to be looked up.
KEPT = "30 days"
TIDIED_EVERY = 3600
# A run that nobody works on after this many beginnings has something that kills workers.
MOST_ATTEMPTS = 5
# What may lose its worker: who names those unfinished, how they are claimed, given up, and queued anew.
UNFINISHED: tuple[tuple[str, Claimed, Any, Callable[[Any], None], str], ...] = (
    ("portal_unfinished_runs", Claimed.RUN, Run, runs.fail_lost, "jobs.fetch.fetch_orders"),
    ("portal_unfinished_actions", Claimed.ACTION_RUN, ActionRun, actions.fail_lost, "jobs.actions.run_actions"),
    ("portal_unfinished_tasks", Claimed.TASK_RUN, TaskRun, tasks.fail_lost, "jobs.tasks.run_task"),
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
        began = time.monotonic()
        with app.app_context():
            try:
                tick()
            except (DBAPIError, RedisError) as error:
                db.session.rollback()
                log.warning("tick_failed", error=type(error).__name__)
        if once:
            return
        time.sleep(max(0.05, TICK_SECONDS - (time.monotonic() - began)))


def tick() -> None:
    """Queue everything that is due now."""
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
    for tenant_id, task_id in _claim("portal_claim_tasks", RETRY_PAUSE):
        with tenant(tenant_id):
            tasks.start_due(task_id)
    db.session.commit()
    if mail.is_set_up():
        for (tenant_id,) in _claim("portal_claim_digests", LOOK_PAUSE):
            enqueue("jobs.notices.tell", tenant_id)
        db.session.commit()
    _revive_runs()
    _tidy()


def _tidy() -> None:
    """Once an hour, whichever scheduler comes first: drop what nobody looks up any more."""
    if redis().set("kontor:tidied", 1, ex=TIDIED_EVERY, nx=True):
        dropped = db.session.scalar(text("SELECT cloud_forget(CAST(:kept AS interval))"), {"kept": KEPT})
        db.session.commit()
        log.info("tidied", rows=dropped)


def _claim(function: str, pause: str) -> list[tuple[int, ...]]:
    rows = db.session.execute(
        text(f"SELECT * FROM {function}(CAST(:pause AS interval), :most)"),  # noqa: S608  the names are above
        {"pause": pause, "most": MOST_A_TICK},
    )
    return [tuple(row) for row in rows]


def _revive_runs() -> None:
    """Queue anew the runs whose job or worker is gone."""
    for function, table, model, fail, task in UNFINISHED:
        rows = db.session.execute(text(f"SELECT * FROM {function}(interval '3 seconds')")).all()  # noqa: S608
        for tenant_id, run_id in rows:
            if not is_unclaimed(table, run_id):
                continue
            with tenant(tenant_id):
                run = db.session.get(model, run_id)
                if run is None or run.state not in IN_FLIGHT:
                    continue
                if run.attempt >= MOST_ATTEMPTS:
                    fail(run)
                else:
                    enqueue(task, tenant_id, run_id)
                db.session.commit()
        db.session.rollback()
