"""Worker and scheduler processes that die where a test wants them to.

The production code knows nothing of this: in the child, SQLAlchemy's events and wrapped methods
count the times that a step is reached, and at the chosen one the worker is killed with SIGKILL.

A fork server that has done each kind of job once starts them (warm.py), since a fresh interpreter would cost a
second each.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial, wraps
from typing import Any, Literal

from flask import Flask

from tests.patience import SECONDS

# Methods and functions whose beginning and end are steps.
METHODS = {
    "acknowledge": "portal.credentials.cloud:Cloud.acknowledge",
    "submit": "portal.credentials.cloud:Cloud.submit_status",
    "confirm": "portal.cloud.connectors.amazon:Amazon.confirm_shipment",
    "search": "portal.cloud.connectors.amazon:Amazon.search_orders",
    "start": "portal.automation.tasks:start_these",
    "plan": "portal.automation.tasks:plan_next",
}
COMMIT = "commit"

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["tests.exactly_once.warm"])


started: list[Any] = []
TO_GO_ON = "kontor-tests:go-on"


@dataclass(frozen=True)
class Step:
    """A point of a task: before or after its n-th commit, or the n-th call of one of METHODS.

    What happens there: the worker is killed, only the process that it forked for the job is, or the
    job waits for `let_go_on`.
    """

    task: str  # "fetch_orders", "run_task" ...: what a job calls; "tick" of a scheduler
    when: Literal["before", "after"]
    what: str
    count: int = 1
    then: Literal["kill worker", "kill job", "wait"] = "kill worker"

    def __str__(self) -> str:
        return f"{self.task} {self.when} {self.what} {self.count}"


@cache
def get_ready() -> None:
    """Start the fork server and wait until it is warm. What it does there nobody else may be doing."""
    end_worker(_started(_rest))


def start_worker(step: Step | None = None, page_orders: int | None = None) -> Any:
    """A worker that stops when the queues are empty, or at `step`. `end_worker` waits for it."""
    return _started(_work, step, page_orders)


def run_job(step: Step, tenant_id: int, id: int) -> bool:
    """Do the step's task as a worker's job does it, in a process of its own. True if it was killed on the way."""
    return end_worker(_started(_do, replace(step, then="kill job"), tenant_id, id))


def run_scheduler(step: Step) -> bool:
    """One tick of a scheduler. True if it was killed on the way."""
    return end_worker(_started(_schedule, replace(step, then="kill job"), None, 1))


class AtOnce:
    """Schedulers that tick a few times, and workers of a queue that go on until `done` is set: all begin together."""

    def __init__(self, queue: str, schedulers: int, workers: int, ticks: int) -> None:
        # Kept for as long as the children may look for it: it goes with this object.
        self._gate = forks.Barrier(schedulers + workers)
        self.done = forks.Event()
        self.schedulers = [_started(_schedule, None, self._gate, ticks) for _ in range(schedulers)]
        self.workers = [_started(_work_on, queue, self._gate, self.done) for _ in range(workers)]


def end_worker(child: Any) -> bool:
    """Wait for the end of a worker. True if it was killed on the way."""
    child.join(SECONDS)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise AssertionError(f"The worker did not end within {SECONDS} s.")
    assert child.exitcode in (0, -signal.SIGKILL), f"The worker ended with {child.exitcode}."
    return bool(child.exitcode)


def run_worker(step: Step | None = None, page_orders: int | None = None) -> bool:
    """Let a worker empty the queues. True if it was killed on the way."""
    return end_worker(start_worker(step, page_orders))


def end_all(app: Flask) -> None:
    """End what a test that failed has left behind."""
    for child in started:
        if child.is_alive():
            child.kill()
            child.join()
            let_go_on(app)
            time.sleep(0.2)
    started.clear()
    app.extensions["redis"].delete(TO_GO_ON, TO_GO_ON + ":reached")


def let_go_on(app: Flask) -> None:
    """Let the job go on that waits at its step."""
    app.extensions["redis"].rpush(TO_GO_ON, 1)


def is_waiting(app: Flask) -> bool:
    """True once a job waits at its step."""
    return bool(app.extensions["redis"].getdel(TO_GO_ON + ":reached"))


def _started(target: Callable[..., None], *arguments: Any) -> Any:
    child = forks.Process(target=target, args=arguments, daemon=True)
    child.start()
    started.append(child)
    return child


def _rest() -> None:
    pass


def _work(step: Step | None, page_orders: int | None) -> None:
    from jobs import worker
    from portal.documents import fetch
    from wsgi import app

    _ask_for_no_commands()
    if page_orders is not None:
        fetch.fetch_orders = partial(fetch.fetch_orders, page_orders=page_orders)
    if step is not None:
        _arm(step, app)
    worker.run(app, burst=True)


def _work_on(queue: str, gate: Any, done: Any) -> None:
    from jobs import worker
    from wsgi import app

    _ask_for_no_commands()
    gate.wait()
    while not done.is_set():
        worker.run(app, queue, burst=True)
        done.wait(0.1)


def _do(step: Step, tenant_id: int, id: int) -> None:
    from jobs import tasks
    from wsgi import app

    counter = _Counter(step, app)
    _put(step, counter)
    counter.left = step.count
    with app.app_context():
        getattr(tasks, step.task)(tenant_id, id)


def _schedule(step: Step | None, gate: Any, ticks: int) -> None:
    from jobs import scheduler
    from wsgi import app

    if step is not None:
        counter = _Counter(step, app)
        _put(step, counter)
        counter.left = step.count
    if gate is not None:
        gate.wait()
    for _ in range(ticks):
        with app.app_context():
            scheduler.tick()


def _ask_for_no_commands() -> None:
    """RQ listens for commands by a thread that takes up to a second to end. Nobody sends any here."""
    from jobs import worker

    worker.Worker.subscribe = worker.Worker.unsubscribe = lambda self: None  # type: ignore[method-assign]


def _arm(step: Step, app: Flask) -> None:
    from rq.job import Job

    counter = _Counter(step, app)
    _wrap(Job, "perform", counter.begin, None)
    _put(step, counter)


def _put(step: Step, counter: _Counter) -> None:
    """Have the counter called wherever the step is reached."""
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    if step.what != COMMIT:
        module, _, path = METHODS[step.what].partition(":")
        owner: Any = importlib.import_module(module)
        *within, name = path.split(".")
        for each in within:
            owner = getattr(owner, each)
        here = (counter, None) if step.when == "before" else (None, counter)
        _wrap(owner, name, *here)
        return

    def at_commit(session: Session) -> None:
        if not session.in_nested_transaction():
            counter()

    # First of all listeners: what would be queued after the commit is lost with the process.
    event.listen(Session, f"{step.when}_commit", at_commit, insert=True)


class _Counter:
    """Counts how often the step is reached within its task, and acts at the n-th time."""

    def __init__(self, step: Step, app: Flask) -> None:
        self.step = step
        self.app = app
        self.left = 0

    def begin(self, job: Any) -> None:
        """A job begins, in a process of its own."""
        self.left = self.step.count if job.func_name.endswith("." + self.step.task) else 0

    def __call__(self, *_: Any) -> None:
        if not self.left:
            return
        self.left -= 1
        if self.left:
            return
        if self.step.then == "wait":
            redis = self.app.extensions["redis"]
            redis.set(TO_GO_ON + ":reached", 1)
            redis.blpop([TO_GO_ON], timeout=SECONDS)
            return
        if self.step.then == "kill worker":
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner: Any, name: str, before: Callable[..., None] | None, after: Callable[..., None] | None) -> None:
    method = getattr(owner, name)

    @wraps(method)
    def stepped(self: Any, *arguments: Any, **named: Any) -> Any:
        if before is not None:
            before(self)
        answer = method(self, *arguments, **named)
        if after is not None:
            after(self)
        return answer

    setattr(owner, name, stepped)
