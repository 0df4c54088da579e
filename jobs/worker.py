"""A worker: takes jobs from its queue, one at a time, each in a process of its own."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

import structlog
from flask import Flask
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Worker, worker_registration
from rq.executions import Execution
from rq.job import Job as RQJob
from rq.queue import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from jobs.queues import TASKS, WORK, Job, queue, taken
from portal.cloud.connectors import KINDS
from portal.extensions import db, redis
from portal.processes import settle

log = structlog.get_logger()

# A worker that dies is missed after this many seconds; the rows in PostgreSQL are what counts anyway.
SEEN_EVERY = 10
CLEAN_EVERY = 30
LIVES = 60
# New objects after which cycles among them are looked for. A page of orders makes some 25,000, none of them in cycles:
# looking for cycles at every 700 of them took a fifth of the time of planning and writing it.
GARBAGE_EVERY = 100_000
# After so long a thread that computes lets another have its turn. While a page of orders is written the next one is
# planned beside it: with Python's own 5 ms the database waited for its next statement (4 to 20 % of the orders/s).
TURN_SECONDS = 0.0005


def run(app: Flask, name: str = WORK, burst: bool = False) -> None:
    """Work until stopped. SIGTERM lets the job in hand finish."""
    with app.app_context():
        warm_up()
        # A forked child must not talk on its parent's database connections.
        os.register_at_fork(after_in_child=lambda: db.engine.dispose(close=False))
        _worker(app, name).work(burst=burst, logging_level="WARNING")


@cache
def warm_up() -> None:
    """Do once what each job's process would do again after its fork: half of a short job's time."""
    for name in KINDS:
        importlib.import_module(f"portal.cloud.connectors.{name}")
    for task in TASKS:
        module, _dot, name = task.rpartition(".")
        _rehearse(getattr(importlib.import_module(module), name))
    db.engine.dispose()
    settle(GARBAGE_EVERY)
    sys.setswitchinterval(TURN_SECONDS)


def _rehearse(task: Callable[..., None]) -> None:
    """Do a task with nothing: it finds no row of these ids, and the statements it begins with are put together."""
    nothing = [0] * len(signature(task).parameters)
    try:
        task(*nothing)
    except (SQLAlchemyError, RedisError) as error:  # they are not there yet, or no more; the jobs themselves will tell
        log.warning("not_rehearsed", error=type(error).__name__)
    finally:
        db.session.remove()


def _worker(app: Flask, name: str) -> Worker:
    class AppWorker(Worker):
        """Gives every job the app, and its owner's next job the place that it leaves."""

        def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
            """Tell of itself, of all it is where Redis knows it no more: the machine slept, or Redis was away."""
            super().heartbeat(timeout, pipeline)
            if not self.connection.hexists(self.key, "queues"):
                self.connection.hset(self.key, mapping=self.serialize())
                worker_registration.register(self)

        def execute_job(self, job: RQJob, queue: Queue) -> None:
            try:
                taken(queue.name, Job(str(job.func_name), tuple(job.args)))
            except RedisError as error:  # the place frees itself after a while
                log.warning("place_not_freed", error=type(error).__name__)
            super().execute_job(job, queue)

        def perform_job(self, job: RQJob, queue: Queue, execution: Execution) -> bool:
            with app.app_context(), structlog.contextvars.bound_contextvars(job=job.func_name):
                return bool(super().perform_job(job, queue, execution))

    options: dict[str, Any] = {
        "job_monitoring_interval": SEEN_EVERY,
        "maintenance_interval": CLEAN_EVERY,
        "worker_ttl": LIVES,
        "default_result_ttl": 3600,
    }
    return AppWorker([queue(name)], connection=redis(), serializer=JSONSerializer, **options)
