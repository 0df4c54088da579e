"""The history of runs: what the list shows and leaves out, what a run made, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from jobs import scheduler
from jobs.actions import run_actions
from portal.automation import history, services
from portal.automation.models import (
    ActionMessage,
    ActionResult,
    ActionRun,
    Made,
    Run,
    RunState,
    Severity,
    Task,
    TaskRun,
)
from portal.automation.triggers import TriggerKind
from portal.extensions import db, redis
from portal.platforms.models import Platform
from portal.shipments.models import MessageState
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.held.test_pages import put_aside

NOW = datetime.now(UTC)
SCOPE = {"kind": "all", "ids": [], "first": "", "last": "", "platform": None}


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def a_task(desk, name="Morning"):
    with desk.inside():
        task = Task(
            tenant_id=desk.merchant.tenant_id,
            name=name,
            service=services.first(),
            kind=TriggerKind.MANUAL,
            times=[],
            weekdays=[],
            month_day="1",
            pause_minutes=15,
        )
        db.session.add(task)
        db.session.commit()
        return task.id


def a_run(desk, task_id, days=0, seconds=2, **more):
    """A run of so many days ago."""
    at = NOW - timedelta(days=days)
    values = {
        "cause": "schedule",
        "state": RunState.DONE,
        "plan": [],
        "queued_at": at,
        "started_at": at,
        "ended_at": at + timedelta(seconds=seconds),
    } | more
    with desk.inside():
        run = TaskRun(tenant_id=desk.merchant.tenant_id, task_id=task_id, **values)
        db.session.add(run)
        db.session.commit()
        return run.id


def an_action(desk, task_run_id=None, days=0, messages=0, **more):
    at = NOW - timedelta(days=days)
    values = {"state": RunState.DONE, "queued_at": at, "started_at": at, "ended_at": at, "position": 0} | more
    with desk.inside():
        run = ActionRun(
            tenant_id=desk.merchant.tenant_id,
            task_run_id=task_run_id,
            area="platforms",
            scope=SCOPE,
            steps=[{"preset": "refresh", "arguments": {}}],
            **values,
        )
        db.session.add(run)
        db.session.flush()
        for number in range(messages):
            db.session.add(
                ActionMessage(
                    tenant_id=run.tenant_id,
                    action_run_id=run.id,
                    severity=Severity.ERROR if number % 2 else Severity.WARNING,
                    preset="refresh",
                    record_id=1,
                    record=f"Record {number}",
                    text="Something.",
                )
            )
        db.session.commit()
        return run.id


def kept(desk, model):
    with desk.inside():
        return set(db.session.scalars(select(model.id)))


def listed(page):
    """The cells of each row of the list: the chart has a table too."""
    return [
        [cell.words for cell in row.all("th") + row.all("td")]
        for row in page.all("tr")
        if "data-href" in row.attributes
    ]


def tidy(desk):
    with desk.app.app_context():
        redis().delete(scheduler.RUNS_TIDIED)
        scheduler.tick()


class TestList:
    @pytest.fixture
    def found(self, desk):
        """The runs that a filter finds, by what they are called here."""
        morning, evening = a_task(desk), a_task(desk, "Evening")
        runs = {
            "ok": a_run(desk, morning, days=3),
            "warned": a_run(desk, morning, days=2, warnings=1, cause="person"),
            "failed": a_run(desk, evening, days=1, state=RunState.FAILED, errors=1),
            "moving": a_run(desk, evening, state=RunState.RUNNING, ended_at=None),
        }
        names = {id: name for name, id in runs.items()}

        def find(**query):
            page = desk.open("/tasks/runs/", **query)
            return [names[int(row[0])] for row in listed(page)]

        find.morning = morning
        return find

    def test_the_newest_is_first(self, found):
        assert found() == ["moving", "failed", "warned", "ok"]

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"outcome": "ok"}, ["ok"]),
            ({"outcome": "warning"}, ["warned"]),
            ({"outcome": "error"}, ["failed"]),
            ({"outcome": "moving"}, ["moving"]),
            ({"cause": "person"}, ["warned"]),
            ({"outcome": "ok", "cause": "person"}, []),
            ({"outcome": "nonsense", "task": "x"}, ["moving", "failed", "warned", "ok"]),
        ],
    )
    def test_filters_leave_out_the_others(self, found, query, names):
        assert found(**query) == names

    def test_of_one_task_and_of_days(self, found):
        assert found(task=str(found.morning)) == ["warned", "ok"]
        day = (NOW - timedelta(days=2)).astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()
        assert found(since=day, until=day) == ["warned"]
        assert found(since=day) == ["moving", "failed", "warned"] and found(until=day) == ["warned", "ok"]

    def test_the_chart_and_its_table_show_what_the_filters_leave(self, desk, found):
        page = desk.open("/tasks/runs/", outcome="warning")
        assert [bar.attributes["class"] for bar in page.all("rect")] == ["lasted warning", "processed"]
        (row,) = page.one("details", class_="chart-table").rows
        assert row[2:] == ["Warning", "2 s", "0"]
        assert not desk.open("/tasks/runs/", outcome="moving").all("svg", class_="chart"), "it has not ended"

    def test_a_page_at_a_time_and_all_as_a_file(self, desk):
        task = a_task(desk)
        with desk.inside():
            db.session.execute(
                text(
                    "INSERT INTO task_run (tenant_id, task_id, cause, state, plan, queued_at, started_at, ended_at) "
                    "SELECT :tenant, :task, 'schedule', 'done', '[]', now(), now(), now() FROM generate_series(1, 120)"
                ),
                {"tenant": desk.merchant.tenant_id, "task": task},
            )
            db.session.commit()
        page, seen = desk.open("/tasks/runs/"), []
        while True:
            seen += [int(row[0]) for row in listed(page)]
            following = page.all("a", rel="next")
            if not following:
                break
            page = desk.open(following[0].attributes["href"])
        assert len(seen) == 120 and seen == sorted(set(seen), reverse=True)
        assert len(desk.browser.get("/tasks/runs/?export=csv").text.splitlines()) == 121


def test_the_longest_run_has_the_highest_bar():
    def run(seconds, processed):
        return TaskRun(started_at=NOW, ended_at=NOW + timedelta(seconds=seconds), processed=processed)

    bars = history.chart([run(1, 0), run(100, 7), run(50, 14)])
    assert [bar.x for bar in bars] == [0, 20, 40]
    assert [bar.lasted_height for bar in bars] == [history.LEAST_BAR, 60, 30]
    assert [bar.processed_height for bar in bars] == [0, 30, 60]
    assert not history.chart([TaskRun(started_at=None, ended_at=NOW, processed=0)])[0].lasted_height


class TestOneRun:
    def test_it_shows_the_messages_of_each_action_and_leads_to_all_of_them(self, desk):
        run = a_run(desk, a_task(desk), plan=[{"schema": 1, "condition": "always"}], warnings=1)
        id = an_action(desk, run, messages=130, warnings=65, errors=65, done=130)
        page = desk.open(f"/tasks/runs/{run}")
        assert "Warning" in page.words and page.words.count("Something.") == 100
        assert [link.words for link in page.all("a", href=f"/actions/{id}/messages")] == ["All messages"]
        assert len(desk.open(f"/actions/{id}/messages").rows) == 50
        assert len(desk.browser.get(f"/actions/{id}/messages?export=csv&severity=error").text.splitlines()) == 66

    def test_it_leads_to_the_documents_and_parcels_it_made(self, desk):
        """By itself, and by the fetches it asked for; what others made is not among them."""
        desk.take(an_order("028-1"))
        with desk.inside():
            platform_id = db.session.scalar(select(Platform.id))
            fetch = Run(tenant_id=desk.merchant.tenant_id, platform_id=platform_id, cause="action", state="done")
            db.session.add(fetch)
            db.session.commit()
            fetch_id = fetch.id
        desk.take(an_order("028-2"), run_id=fetch_id)
        documents = desk.documents()
        parcel = desk.parcel(documents["028-1"], state=MessageState.CONFIRMED)
        id = an_action(desk)
        made = [(Made.FETCH, fetch_id), (Made.DOCUMENT, documents["028-1"].id), (Made.PARCEL, parcel.id)]
        with desk.inside():
            for kind, record in made:
                db.session.add(
                    ActionResult(tenant_id=desk.merchant.tenant_id, action_run_id=id, kind=kind, record_id=record)
                )
            db.session.commit()
        page = desk.open(f"/actions/{id}")
        links = {link.attributes["href"]: link.words for link in page.all("a")}
        assert links[f"/documents/?actions={id}"] == "2 documents"
        assert links[f"/shipments/?actions={id}"] == "1 parcel reported"
        assert f"/jobs/{fetch_id}" in links
        assert len(desk.open("/documents/", actions=str(id)).rows) == 2
        (row,) = desk.open("/documents/", fetch=str(fetch_id)).rows
        assert "028-2" in row
        assert len(desk.open("/shipments/", actions=str(id)).rows) == 1
        assert not desk.open("/shipments/", actions=str(an_action(desk))).rows

    def test_trying_held_orders_again_says_which_documents_came_of_it(self, desk):
        put_aside(desk, an_order("028-1"), an_order("028-2", total=None))
        id = an_action(desk, state=RunState.QUEUED, ended_at=None, started_at=None)
        with desk.inside():
            db.session.get_one(ActionRun, id).steps = [{"preset": "retry_held", "arguments": {}}]
            db.session.commit()
        with desk.app.app_context():
            run_actions(desk.merchant.tenant_id, id)
        (row,) = desk.open("/documents/", actions=str(id)).rows
        assert "028-1" in row


class TestRetention:
    def test_the_days_are_kept_within_bounds(self, desk):
        assert "Saved" in desk.do("/tasks/runs/retention", days="30").words
        assert desk.open("/tasks/runs/retention").fields["days"] == "30"
        assert desk.send("/tasks/runs/retention", 422, days="6").error_of("days")

    def test_old_runs_go_with_all_that_is_theirs_and_a_tasks_last_one_stays(self, desk):
        busy, idle = a_task(desk), a_task(desk, "Idle")
        old, last = a_run(desk, busy, days=91), a_run(desk, idle, days=400)
        recent, moving = a_run(desk, busy, days=89), a_run(desk, busy, days=200, state="running", ended_at=None)
        with_run, alone = an_action(desk, old, days=91, messages=3), an_action(desk, days=91)
        stays = an_action(desk, days=89)
        at_work = an_action(desk, days=200, state=RunState.RUNNING, ended_at=None)
        tidy(desk)
        assert kept(desk, TaskRun) == {last, recent, moving} and old
        assert kept(desk, ActionRun) == {stays, at_work} and with_run and alone
        assert not kept(desk, ActionMessage)

    def test_each_tenant_has_days_of_its_own(self, desk, make_tenant, client_of):
        other = Desk.of(desk.app, make_tenant(), client_of)
        desk.do("/tasks/runs/retention", days="7")
        for each in (desk, other):
            task = a_task(each)
            a_run(each, task, days=8)
            a_run(each, task, days=1)
        tidy(desk)
        assert (len(kept(desk, TaskRun)), len(kept(other, TaskRun))) == (1, 2)

    def test_a_fetch_that_receipts_name_stays(self, desk):
        platform, long_ago = desk.platform(), NOW - timedelta(days=300)

        def fetch(**more):
            with desk.inside():
                run = Run(
                    tenant_id=desk.merchant.tenant_id,
                    platform_id=platform.id,
                    cause="schedule",
                    queued_at=long_ago,
                    **{"state": "done", "ended_at": long_ago} | more,
                )
                db.session.add(run)
                db.session.commit()
                return run.id

        wrote, counted, empty, moving = fetch(), fetch(orders=1), fetch(), fetch(state="running", ended_at=None)
        desk.take(an_order("028-1"), run_id=wrote, attempt=7)  # given up meanwhile: the page is not in its count
        last = fetch()
        tidy(desk)
        assert kept(desk, Run) == {wrote, counted, moving, last} and empty not in kept(desk, Run)

    def test_many_go_by_the_batch(self, desk, monkeypatch):
        monkeypatch.setattr(scheduler, "MOST_FORGOTTEN", 2)
        task = a_task(desk)
        for day in range(6):
            a_run(desk, task, days=100 + day)
        tidy(desk)
        assert len(kept(desk, TaskRun)) == 4
        for _ in range(2):
            with desk.app.app_context():
                scheduler.tick()
        assert len(kept(desk, TaskRun)) == 1
