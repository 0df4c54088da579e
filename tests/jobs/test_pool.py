"""The workers of one machine: those of services come and go with their services, and one that dies comes back."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from jobs.queues import WORK, clear, service_queue, workers
from portal.automation import services
from portal.automation.models import RunState, Service, TaskRun
from portal.extensions import db
from portal.processes import end, spawn
from tests.automation.test_services import make_task
from tests.desk import Desk
from tests.patience import SECONDS, wait_until

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def test_the_workers_of_a_service_come_with_it_die_in_vain_and_go_when_it_is_stopped(desk, environment, tmp_path):
    def alive() -> set[int]:
        with desk.app.app_context():
            return {worker.pid for worker in workers([name]).get(name, ())}

    def state() -> RunState:
        with desk.inside():
            return db.session.scalars(select(TaskRun)).one().state

    task = make_task(desk, "Morning")
    with desk.inside():
        service = db.session.scalars(select(Service)).one()
        name = service_queue(service.id)
        clear(name)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "workers", "--count", "0"]
    with log.open("wb") as written:
        pool = spawn(command, folder=HOME, environment={**os.environ, **environment}, stdout=written)
    try:
        wait_until(lambda: len(alive()) == 1)
        (first,) = alive()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: bool(alive() - {first}))
        desk.do(f"/tasks/{task}/runs")
        wait_until(lambda: state() == RunState.DONE)
        with desk.inside():
            services.stop(db.session.merge(service))
            db.session.commit()
        wait_until(lambda: not alive() - {first})
        with desk.app.app_context():
            assert pool.pid not in {worker.pid for worker in workers([WORK]).get(WORK, ())}
    finally:
        assert end([pool], seconds=SECONDS), log.read_text()
