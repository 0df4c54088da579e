"""Automation services: whose workers do a task, how they are seen, and what waits for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rq import Worker
from rq.serializers import JSONSerializer
from sqlalchemy import select

from jobs.queues import clear, queue, service_queue
from portal.automation import services, tasks
from portal.automation.models import RunState, Service, Task, TaskRun
from portal.extensions import db, redis
from portal.tenants.models import Role, Tenant, User
from tests.automation.test_tasks import FORM, make_schema
from tests.desk import Desk


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def service(desk):
    """The tenant's service, with an empty queue."""
    desk.do("/services/", name="Automation", workers="2")
    with desk.inside():
        service = db.session.scalars(select(Service)).one()
        clear(service_queue(service.id))
    yield service
    with desk.app.app_context():
        clear(service_queue(service.id))


@pytest.fixture
def worker(desk, service):
    """A worker of the service as RQ knows it, at rest."""
    with desk.app.app_context():
        worker = Worker([queue(service_queue(service.id))], connection=redis(), serializer=JSONSerializer)
        worker.register_birth()
    yield worker
    with desk.app.app_context():
        worker.register_death()


def make_task(desk, name, **typed):
    fields = {f"schemas-{n}": "0" for n in range(1, 5)} | {f"conditions-{n}": "always" for n in range(5)}
    with desk.inside():
        made = db.session.scalar(select(Task.id).limit(1)) is not None
    schema = make_schema(desk) if not made else 0
    with desk.inside():
        schema = schema or db.session.scalars(select(Task)).first().actions[0].schema_id
    desk.do("/tasks/", **FORM | fields | {"schemas-0": schema, "name": name} | typed)
    with desk.inside():
        return db.session.scalars(select(Task.id).where(Task.name == name)).one()


def unseen(desk, minutes):
    """So long ago is it that a worker was seen, and that somebody began to look."""
    with desk.inside():
        service = db.session.scalars(select(Service)).one()
        service.seen_at = service.watched_since = datetime.now(UTC) - timedelta(minutes=minutes)
        db.session.commit()


def run_on(desk, service):
    """`flask worker --service`, until its queue is empty."""
    with desk.inside():
        number = db.session.get_one(Tenant, desk.merchant.tenant_id).customer_number
    return desk.app.test_cli_runner().invoke(
        args=["worker", "--service", service.name, "--tenant", number, "--burst"], catch_exceptions=False
    )


def test_the_first_task_leads_to_an_assistant_that_makes_its_service(desk):
    make_schema(desk)
    assistant = desk.browser.get("/tasks/new")
    assert assistant.location == "/services/new?to=/tasks/new"
    page = desk.open(assistant.location)
    assert "Your first service" in page.words and page.fields["name"] == "Automation"
    form = desk.do("/services/", **page.fields)
    assert form.fields["service"] and form.fields["name"] == ""


@pytest.mark.parametrize(
    ("typed", "field"), [({"name": " "}, "name"), ({"workers": "0"}, "workers"), ({"workers": "9"}, "workers")]
)
def test_what_makes_no_sense_is_said_at_its_field(desk, typed, field):
    page = desk.send("/services/", 422, **{"name": "Night", "workers": "1"} | typed)
    assert page.error_of(field)
    with desk.inside():
        assert not services.all_of_tenant()


def test_all_services_together_have_so_many_workers(desk, service):
    def refused(path, workers):
        return desk.send(f"/services/{path}", 422, name="More", workers=str(workers)).error_of("workers")

    desk.do("/services/", name="Two", workers="8")
    assert "may have 16 workers: this one 6 at most" in refused("", 8)
    desk.do("/services/", name="Three", workers="6")
    assert "this one 0 at most" in refused("", 1)
    assert "this one 2 at most" in refused(f"{service.id}/edit", 3)
    desk.do(f"/services/{service.id}/edit", name="Renamed", workers="2")
    with desk.inside():
        assert {one.name: one.workers for one in services.all_of_tenant()} == {"Renamed": 2, "Two": 8, "Three": 6}


def test_a_name_belongs_to_one_service(desk, service):
    assert "called “AUTOMATION” already" in desk.send("/services/", 422, name="AUTOMATION", workers="1").words


def test_one_with_tasks_stays_and_one_without_goes(desk, service):
    id = make_task(desk, "Morning")
    assert "1 task belongs to this service" in desk.do(f"/services/{service.id}/removal").words
    desk.do(f"/tasks/{id}/removal")
    assert "is removed" in desk.do(f"/services/{service.id}/removal").words


def test_it_is_started_while_a_worker_tells_of_itself(desk, service, worker):
    assert desk.open(f"/services/{service.id}").grid["State"] == "started"
    assert desk.do(f"/services/{service.id}/stop").grid["State"] == "stopping"


def test_it_is_missing_when_nobody_was_seen_for_minutes_and_stopped_when_it_is_meant_to_rest(desk, service):
    assert desk.open(f"/services/{service.id}").grid["State"] == "starting"
    unseen(desk, 12)
    page = desk.open(f"/services/{service.id}")
    assert page.grid["State"] == "not seen for 12 minutes"
    assert "flask worker --service" in page.words
    with desk.inside():
        assert [one.id for one in services.missing()] == [service.id]
    assert desk.do(f"/services/{service.id}/stop").grid["State"] == "stopped"
    with desk.inside():
        assert not services.missing()
    assert desk.do(f"/services/{service.id}/start").grid["State"] == "starting"


def test_the_scheduler_notes_who_was_seen_and_blames_nobody_for_a_night_without_it(desk, service, worker):
    def watch():
        with desk.app.app_context():
            redis().delete(services.WATCHED + ":turn")
            services.watch()
        with desk.inside():
            return db.session.scalars(select(Service)).one()

    watch()
    unseen(desk, 60)
    assert datetime.now(UTC) - watch().seen_at < timedelta(minutes=1)
    with desk.app.app_context():
        worker.register_death()
        redis().delete(services.WATCHED)  # nobody has looked for a minute
    unseen(desk, 600)
    looked = watch()
    assert datetime.now(UTC) - looked.seen_at > timedelta(hours=9)
    with desk.inside():
        assert not services.missing()


def test_a_task_is_done_by_its_own_service_and_not_by_the_workers_of_everybody(desk, service):
    task = make_task(desk, "Morning")
    desk.do(f"/tasks/{task}/runs")
    assert "Morning" in desk.open(f"/services/{service.id}").words
    with desk.app.app_context():
        assert queue("work").count == 0 or all("run_task" not in job.description for job in queue("work").jobs)
    assert run_on(desk, service).exit_code == 0
    with desk.inside():
        (run,) = db.session.scalars(select(TaskRun)).all()
        assert run.state == RunState.DONE
    assert "Nothing waits." in desk.open(f"/services/{service.id}").words


def test_run_next_goes_before_what_waits(desk, service):
    ids = [make_task(desk, name) for name in ("First", "Second", "Third")]
    with desk.inside():
        for id in ids:
            tasks.start(db.session.get_one(Task, id), "schedule")
        db.session.commit()

    def waiting_names():
        page = desk.open(f"/services/{service.id}")
        return [link.words for link in page.all("a") if "/tasks/runs/" in link.attributes.get("href", "")]

    assert waiting_names() == ["First", "Second", "Third"]
    desk.do(f"/tasks/{ids[2]}/runs")
    assert waiting_names() == ["Third", "First", "Second"]
    assert run_on(desk, service).exit_code == 0
    with desk.inside():
        runs = db.session.scalars(select(TaskRun).order_by(TaskRun.started_at)).all()
        assert [(run.task_id, run.state, run.attempt) for run in runs] == [
            (id, RunState.DONE, 1) for id in (ids[2], *ids[:2])
        ]


def test_a_name_that_nobody_or_several_have_is_asked_about(desk, service, app, make_tenant, client_of):
    asked = app.test_cli_runner().invoke(args=["worker", "--service", "Nobody's", "--burst"])
    assert asked.exit_code == 1 and "no automation service called" in asked.output
    Desk.of(app, make_tenant(), client_of).do("/services/", name="Automation", workers="1")
    asked = app.test_cli_runner().invoke(args=["worker", "--service", "Automation", "--burst"])
    assert asked.exit_code == 1 and "--tenant" in asked.output


def test_a_clerk_sees_services_and_changes_none(desk, service):
    with desk.inside():
        db.session.get_one(User, desk.merchant.user_id).role = Role.CLERK
        db.session.commit()
    for path in ("", f"{service.id}/edit", f"{service.id}/start", f"{service.id}/stop", f"{service.id}/removal"):
        assert desk.browser.post(f"/services/{path}", data={"name": "X", "workers": "1"}).status_code == 403
    page = desk.open(f"/services/{service.id}")
    assert "Stop" not in [button.words for button in page.all("button")]
