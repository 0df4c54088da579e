"""A worker is killed while its task tells of a run: who is told twice can tell by the id."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.tasks import run_task
from portal.automation.models import RunState, TaskRun
from portal.extensions import db
from tests.automation.test_telling import desk as desk
from tests.automation.test_telling import receiver as receiver
from tests.automation.test_telling import task_with, webhook
from tests.exactly_once import children


@pytest.mark.usefixtures("quiet")
def test_a_worker_killed_after_the_call_repeats_it_under_the_same_id(desk, receiver, app):
    task = task_with(desk, webhook(receiver.url), webhook(receiver.url))
    desk.do(f"/tasks/{task}/runs")
    with desk.inside():
        run = db.session.scalars(select(TaskRun)).one()
    # Commits: begun, delivery, attempt, its secret read, its end.
    assert children.run_job(children.Step("run_task", "before", children.COMMIT, 5), run.tenant_id, run.id)
    with desk.inside():
        assert db.session.scalars(select(TaskRun.state)).one() == RunState.RUNNING
    with app.app_context():
        run_task(run.tenant_id, run.id)
    first, again, second = (call.json["id"] for call in receiver.calls)
    assert first == again != second
    with desk.inside():
        run = db.session.scalars(select(TaskRun)).one()
        assert (run.state, run.processed, run.attempt) == (RunState.DONE, 2, 2)
