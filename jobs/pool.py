"""The workers of one machine: some for everybody, and those of every automation service; kept running.

They are forked from one process that has imported everything, so that a service costs little memory and starts
at once. A worker that dies is started anew; one that dies at once again and again ever later.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from types import FrameType

import structlog
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jobs import worker
from jobs.queues import WORK, service_queue
from portal.errors import Refused
from portal.extensions import db
from portal.processes import die_with_parent

log = structlog.get_logger()

LOOK_EVERY = 0.2
SERVICES_EVERY = 2.0
# One that dies sooner than this after its start died quickly.
QUICK_SECONDS = 20.0
FIRST_PAUSE = 0.5  # before it is started again; doubles with every quick death
LONGEST_PAUSE = 60.0

forks = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Found:
    """A service as the database knows it."""

    service_id: int
    active: bool
    workers: int


@dataclass
class _Kept:
    """A worker that is to run, and its process while it does."""

    queue: str
    process: BaseProcess | None = None
    began: float = 0.0
    quick_deaths: int = 0
    begin_at: float = 0.0


def services(name: str | None = None, customer_number: str | None = None) -> list[Found]:
    """The services of all tenants, or those of this name or of this customer."""
    rows = db.session.execute(
        text("SELECT * FROM portal_services(:name, :customer)"), {"name": name, "customer": customer_number}
    ).all()
    db.session.rollback()
    return [Found(*row) for row in rows]


def run(app: Flask, general: int) -> None:
    """Keep `general` workers for everybody and those of the services running until SIGTERM or SIGINT."""
    _Pool(app, general).run()


def serve(app: Flask, name: str, customer_number: str | None, burst: bool = False) -> None:
    """Be a worker of the service; wait while that is stopped. Raises Refused where it is not clear which is meant."""
    with app.app_context():
        found = services(name, customer_number)
    if not found:
        raise Refused(f"There is no automation service called “{name}”.")
    if len(found) > 1:
        raise Refused(f"Several customers have a service called “{name}”. Say whose by --tenant and his number.")
    (meant,) = found
    while True:
        with app.app_context():
            while not burst and not _is_active(meant):
                time.sleep(SERVICES_EVERY)
        worker.run(app, service_queue(meant.service_id), burst)
        with app.app_context():
            if burst or _is_active(meant):  # else it was asked to end by STOP, and goes on after START
                return


def _is_active(meant: Found) -> bool:
    return any(one.active for one in services() if one.service_id == meant.service_id)


class _Pool:
    def __init__(self, app: Flask, general: int) -> None:
        self._app = app
        self._kept = {f"{WORK} {number}": _Kept(WORK) for number in range(1, general + 1)}
        self._unwanted: list[_Kept] = []
        self._stopped = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with self._app.app_context():
            worker.warm_up()
        looked = 0.0
        while not self._stopped:
            if time.monotonic() - looked > SERVICES_EVERY:
                looked = time.monotonic()
                self._look_at_services()
            for name, kept in self._kept.items():
                self._look_at(name, kept)
            self._unwanted = [kept for kept in self._unwanted if kept.process and kept.process.is_alive()]
            time.sleep(LOOK_EVERY)
        left = [*self._unwanted, *self._kept.values()]
        for kept in left:
            _end(kept)
        for kept in left:
            if kept.process is not None:
                kept.process.join()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True

    def _look_at_services(self) -> None:
        """Take up the workers of services that are new, and let go of those that are stopped or removed."""
        try:
            with self._app.app_context():
                found = services()
        except DBAPIError as error:
            log.warning("services_not_known", error=type(error).__name__)
            return
        wanted = {
            f"{service_queue(one.service_id)} {number}": service_queue(one.service_id)
            for one in found
            if one.active
            for number in range(1, one.workers + 1)
        }
        for name in [name for name, kept in self._kept.items() if kept.queue != WORK and name not in wanted]:
            kept = self._kept.pop(name)
            _end(kept)
            self._unwanted.append(kept)
        for name, queue in wanted.items():
            self._kept.setdefault(name, _Kept(queue))

    def _look_at(self, name: str, kept: _Kept) -> None:
        now = time.monotonic()
        if kept.process is not None:
            if kept.process.is_alive():
                return
            lived = now - kept.began
            kept.quick_deaths = kept.quick_deaths + 1 if lived < QUICK_SECONDS else 0
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, kept.quick_deaths - 1))
            kept.begin_at, code = now + pause, kept.process.exitcode
            kept.process = None
            log.warning("worker_ended", worker=name, code=code, again_in_seconds=pause)
        if now >= kept.begin_at:
            kept.process = forks.Process(target=_work, args=(self._app, kept.queue, os.getpid()), name=name)
            kept.process.start()
            kept.began = now


def _work(app: Flask, queue: str, parent: int) -> None:
    die_with_parent(parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    with app.app_context():
        db.engine.dispose(close=False)  # its connections are its parent's
    worker.run(app, queue)


def _end(kept: _Kept) -> None:
    """Ask it to end after the job in hand."""
    if kept.process is not None and kept.process.is_alive():
        kept.process.terminate()
