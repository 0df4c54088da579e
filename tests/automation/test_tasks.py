"""Tasks: their form, what it keeps and refuses, when they start, and what their runs come to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import select

from jobs import scheduler
from jobs.tasks import run_task
from portal.automation.models import RunState, Schema, Task, TaskRun
from portal.automation.task_forms import parsed_times
from portal.extensions import db
from portal.tenants.models import Role, User
from tests.desk import Desk
from tests.patience import SECONDS

FORM = {"name": "Morning", "active": "y", "kind": "daily", "times": "8:00", "month_day": "1", "pause": "15"}


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def make_schema(desk, name="Refresh all", presets=("refresh",), **scope):
    desk.do("/actions/schemas", name=name, presets=list(presets), **({"area": "platforms", "kind": "all"} | scope))
    with desk.inside():
        return db.session.scalars(select(Schema.id).where(Schema.name == name)).one()


@pytest.fixture
def form(desk):
    """A good task, with two actions."""
    schemas = {"schemas-0": make_schema(desk, "Held", ["retry_held"]), "schemas-1": make_schema(desk)}
    return FORM | schemas | {f"schemas-{n}": "0" for n in (2, 3, 4)} | {f"conditions-{n}": "always" for n in range(5)}


def the_task(desk):
    with desk.inside():
        task = db.session.scalars(select(Task)).one()
        assert task.actions is not None
        db.session.expunge_all()
        return task


def make_due(desk, at=None):
    with desk.inside():
        db.session.scalars(select(Task)).one().next_at = at or datetime.now(UTC) - timedelta(hours=30)
        db.session.commit()


def tick(desk):
    with desk.app.app_context():
        scheduler.tick()


def runs(desk):
    with desk.inside():
        found = db.session.scalars(select(TaskRun).order_by(TaskRun.id)).all()
        db.session.expunge_all()
        return found


def work(desk):
    """A worker does what is queued."""
    for run in runs(desk):
        with desk.app.app_context():
            run_task(run.tenant_id, run.id)


class TestForm:
    def test_what_is_typed_is_kept_and_planned(self, desk, form):
        page = desk.do("/tasks/", **form | {"times": "17.30, 8:00 8:00", "conditions-1": "processed"})
        assert page.grid["Starts"] == "Daily at 8:00, 17:30"
        assert page.grid["What"] == (
            "Held Platforms: Try held orders again "
            "Refresh all if something was processed Platforms: Refresh the connection"
        )
        task = the_task(desk)
        assert task.times == [time(8), time(17, 30)] and task.next_at > datetime.now(UTC)
        shown = desk.open(f"/tasks/{task.id}/edit").fields
        assert (shown["times"], shown["conditions-1"]) == ("8:00, 17:30", "processed")

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ({"kind": "continuous", "pause": "20"}, "Continuously, 20 minutes between two runs"),
            (
                {"kind": "continuous", "pause": "5", "window_begin": "22:00", "window_end": "6:00"},
                "Continuously, 5 minutes between two runs, from 22:00 until 6:00",
            ),
            ({"kind": "weekly", "weekdays": ["0", "4"]}, "Monday, Friday at 8:00"),
            ({"kind": "monthly", "month_day": "last_working"}, "Monthly on the last working day at 8:00"),
            ({"kind": "monthly", "month_day": "31"}, "Monthly on the 31. at 8:00"),
            ({"kind": "manual"}, "By hand only"),
        ],
    )
    def test_each_kind_is_said_in_words_and_comes_back_as_it_was(self, desk, form, typed, words):
        page = desk.do("/tasks/", **form | typed)
        assert page.grid["Starts"] == words
        task = the_task(desk)
        fields = desk.open(f"/tasks/{task.id}/edit").fields
        desk.do(f"/tasks/{task.id}/edit", **fields | {"weekdays": typed.get("weekdays", [])})
        assert desk.open(f"/tasks/{task.id}").grid["Starts"] == words
        assert (the_task(desk).next_at is None) == (typed["kind"] == "manual")

    @pytest.mark.parametrize(
        ("typed", "field", "words"),
        [
            ({"name": " "}, "name", "required"),
            ({"times": ""}, "times", "8:00"),
            ({"times": "8"}, "times", "8:00"),
            ({"times": "25:00"}, "times", "8:00"),
            ({"times": "8:60"}, "times", "8:00"),
            ({"times": "٨:٠٠"}, "times", "8:00"),
            ({"times": " ".join(f"{n % 24}:{n:02d}" for n in range(25))}, "times", "24"),
            ({"kind": "weekly"}, "weekdays", "at least one"),
            ({"kind": "monthly", "month_day": "32"}, "month_day", "valid choice"),
            ({"kind": "continuous", "pause": ""}, "pause", "needs a pause"),
            ({"kind": "continuous", "pause": "0"}, "pause", "between"),
            ({"kind": "continuous", "window_begin": "8:00"}, "window_end", "beginning and an end"),
            ({"kind": "continuous", "window_begin": "8", "window_end": "9:00"}, "window_begin", "8:00"),
            ({"kind": "continuous", "window_begin": "8:00", "window_end": "8.00"}, "window_end", "empty"),
            ({"kind": "hourly"}, "kind", "valid choice"),
            ({"schemas-0": "0", "schemas-1": "0"}, "schemas-0", "at least one action"),
            ({"schemas-1": "2000000000"}, "schemas-1", "valid choice"),
            ({"conditions-0": "never"}, "conditions-0", "valid choice"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_its_field(self, desk, form, typed, field, words):
        page = desk.send("/tasks/", 422, **form | typed)
        assert words in page.error_of(field)
        kept = {name: value for name, value in (form | typed).items() if name not in (field, "active")}
        assert {name: str(value) for name, value in kept.items()}.items() <= page.fields.items()
        with desk.inside():
            assert db.session.scalar(select(Task)) is None

    def test_a_schema_of_another_area_or_function_is_refused_and_kept(self, desk, form):
        anew = make_schema(desk, "Anew", ["fetch_anew"], area="documents")
        for typed, words in (
            ({"areas-1": "platforms", "schemas-1": anew}, "“Anew” is not a schema of the area Platforms."),
            ({"functions-1": "platforms.download"}, "something else: not “Download documents from the platform”"),
            ({"areas-1": "documents", "schemas-1": "0"}, "Choose the schema"),
            ({"functions-1": "documents.fetch_anew", "schemas-1": "0"}, "Choose the schema"),
        ):
            page = desk.send("/tasks/", 422, **form | typed)
            assert words in page.error_of("schemas-1")
            assert {name: str(value) for name, value in typed.items()}.items() <= page.fields.items()
        for junk in ({"areas-1": "moon"}, {"functions-1": "platforms.moon"}):
            assert "valid choice" in desk.send("/tasks/", 422, **form | junk).error_of(next(iter(junk)))
        page = desk.do(
            "/tasks/",
            **form
            | {"areas-1": "documents", "functions-1": "documents.fetch_anew"}
            | {"schemas-1": anew, "names-1": "Last"},
        )
        assert page.grid["What"].endswith("Last Documents: Fetch the order anew · Anew")

    def test_area_and_function_come_back_as_the_schema_has_them_by_now(self, desk, form):
        desk.do("/tasks/", **form)
        edit = f"/tasks/{the_task(desk).id}/edit"
        kept = desk.open(edit).fields
        assert (kept["areas-0"], kept["functions-0"]) == ("platforms", "platforms.retry_held")
        over = {"area": "documents", "kind": "all", "presets": ["fetch_anew", "upload_statuses"]}
        desk.do("/actions/schemas", name="Held", schema=form["schemas-0"], over="1", **over)
        page = desk.open(edit)
        assert (page.fields["areas-0"], page.fields["functions-0"]) == ("documents", "")
        desk.do(edit, **page.fields | {"schemas-1": "0"})
        assert desk.open(edit).fields["schemas-1"] == "0", "an action is taken out by its schema alone"
        assert "Choose the schema" in desk.send(
            edit, 422, **kept | {"areas-0": "documents", "schemas-0": "0"}
        ).error_of("schemas-0")

    def test_an_area_narrows_what_is_offered_and_keeps_what_fits(self, desk, form):
        anew, held = make_schema(desk, "Anew", ["fetch_anew"], area="documents"), str(form["schemas-0"])

        def offered(area="", function="", schema=held):
            query = {"areas-3": area, "functions-3": function, "schemas-3": str(schema)}
            part = desk.open("/tasks/schemas", row="3", **query)
            assert part.one("div", id="offered-3") is not None
            functions, schemas = (
                [o.words for o in part.one("select", id=f"{name}-3").all("option")] for name in ("functions", "schemas")
            )
            return functions[1:], schemas[1:], (part.fields["functions-3"], part.fields["schemas-3"])

        functions, schemas, chosen = offered()
        assert (len(functions), schemas, chosen) == (8, ["Held", "Refresh all", "Anew"], ("", held))
        functions, schemas, chosen = offered("platforms", "platforms.retry_held")
        assert (len(functions), schemas, chosen) == (6, ["Held"], ("platforms.retry_held", held))
        functions, schemas, chosen = offered("documents", "platforms.retry_held")
        assert (functions, schemas, chosen) == (["Upload statuses", "Fetch the order anew"], ["Anew"], ("", "0"))
        assert offered("documents", schema=anew)[2] == ("", str(anew))
        assert offered("platforms", "platforms.download")[1:] == ([], ("platforms.download", "0"))
        for row in ("5", "-1", "x", ""):
            assert desk.browser.get("/tasks/schemas", query_string={"row": row}).status_code == 404

    def test_a_name_that_is_taken_is_refused_at_its_field(self, desk, form):
        desk.do("/tasks/", **form)
        page = desk.send("/tasks/", 422, **form | {"name": "MORNING", "times": "9:00"})
        assert "already" in page.error_of("name") and page.fields["times"] == "9:00"
        desk.do("/tasks/", **form | {"name": "Evening"})
        with desk.inside():
            ids = dict(db.session.execute(select(Task.name, Task.id)).all())
        page = desk.send(f"/tasks/{ids['Evening']}/edit", 422, **form | {"times": "9:00"})
        assert "already" in page.error_of("name")
        assert desk.open(f"/tasks/{ids['Evening']}").grid["Starts"] == "Daily at 8:00"

    def test_the_next_five_starts_show_as_it_is_typed(self, desk):
        page = desk.open("/tasks/starts", kind="daily", times="8:00, 9:00")
        assert len(page.all("li")) == 5 and "8:00" in page.words and "9:00" in page.words
        page = desk.open("/tasks/starts", kind="weekly", times="8:00", weekdays="0")
        assert [start.words[:3] for start in page.all("li")] == ["Mon"] * 5
        assert not desk.open("/tasks/starts", kind="daily", times="8").all("li")
        assert "a person starts it" in desk.open("/tasks/starts", kind="manual").words

    @pytest.mark.parametrize("typed", ["8:00", "08.00", " 8:00 ; ", "8:00,8:00"])
    def test_times_are_read_as_people_write_them(self, typed):
        assert parsed_times(typed) == (time(8),)


class TestRunning:
    def test_it_starts_once_for_all_the_times_it_missed(self, desk, form):
        desk.platform()
        desk.do("/tasks/", **form | {"times": "0:00, 6:00, 12:00, 18:00"})
        make_due(desk, datetime.now(UTC) - timedelta(days=10))
        tick(desk)
        tick(desk)
        assert [run.cause for run in runs(desk)] == ["schedule"]
        assert the_task(desk).next_at > datetime.now(UTC)

    def test_due_while_it_runs_it_starts_once_more_afterwards(self, desk, form):
        desk.do("/tasks/", **form)
        make_due(desk)
        tick(desk)
        make_due(desk)
        tick(desk)
        assert len(runs(desk)) == 1
        work(desk)
        make_due(desk)  # the minute after which it is tried again
        tick(desk)
        assert [run.state for run in runs(desk)] == [RunState.DONE, RunState.QUEUED]

    def test_a_continuous_one_is_due_a_pause_after_its_end(self, desk, form):
        desk.do("/tasks/", **form | {"kind": "continuous", "pause": "30"})
        make_due(desk)
        tick(desk)
        assert the_task(desk).next_at is None
        work(desk)
        wait = the_task(desk).next_at - datetime.now(UTC)
        assert timedelta(minutes=29) < wait <= timedelta(minutes=30)

    def test_one_that_is_off_or_locked_does_not_start(self, desk, form):
        desk.do("/tasks/", **{name: value for name, value in form.items() if name != "active"})
        assert the_task(desk).next_at is None
        make_due(desk)
        tick(desk)
        assert not runs(desk)

    def test_actions_run_in_order_as_their_conditions_say(self, desk, form):
        desk.platform()
        chosen = {"conditions-1": "processed", "schemas-2": form["schemas-0"], "conditions-2": "ran"}
        desk.do("/tasks/", **form | chosen)
        page = desk.do(f"/tasks/{the_task(desk).id}/runs")
        assert "to come" in page.words
        work(desk)
        (run,) = runs(desk)
        page = desk.open(f"/tasks/runs/{run.id}")
        assert [li.words.partition(" ")[0] for li in page.all("ol")[0].all("li")] == ["Held", "Refresh", "Held"]
        assert page.words.count("left out") == 2, "nothing was processed, so the second did not run, nor the third"

    def test_errors_lock_it_until_somebody_unlocks_it(self, desk, form):
        desk.platform(reference=None)
        download = make_schema(desk, "Download", ["download"])
        desk.do("/tasks/", **form | {"schemas-0": download, "conditions-1": "errors"})
        make_due(desk)
        tick(desk)
        work(desk)
        (run,) = runs(desk)
        assert run.state == RunState.FAILED and run.errors == 1
        assert "left out" not in desk.open(f"/tasks/runs/{run.id}").words, "the second ran because of the error"
        task = the_task(desk)
        assert task.locked_at is not None and task.next_at is None
        page = desk.open(f"/tasks/{task.id}")
        known = "The platform is not known to the cloud yet."
        assert f"Its last run ended with errors: “{known}" in page.words
        assert "Locked" in desk.open("/tasks/").rows[0]
        assert "is locked. Unlock it first." in desk.do(f"/tasks/{task.id}/runs").words and len(runs(desk)) == 1
        badge = next(link for link in desk.open("/").all("a") if link.attributes.get("href") == "/tasks/")
        assert "1" in badge.words
        desk.do(f"/tasks/{task.id}/unlocking")
        assert the_task(desk).next_at > datetime.now(UTC)

    def test_what_was_removed_while_it_was_planned_is_left_out(self, desk, form):
        desk.do("/tasks/", **form)
        task = the_task(desk)
        desk.do(f"/tasks/{task.id}/runs")
        desk.do(f"/tasks/{task.id}/edit", **form | {"schemas-1": "0"})
        desk.do(f"/actions/schemas/{form['schemas-1']}/removal")
        work(desk)
        assert runs(desk)[0].state == RunState.DONE

    def test_a_schema_that_a_task_runs_stays_and_a_running_task_too(self, desk, form):
        desk.do("/tasks/", **form)
        task = the_task(desk)
        assert "A task runs the schema" in desk.do(f"/actions/schemas/{form['schemas-0']}/removal").words
        desk.do(f"/tasks/{task.id}/runs")
        desk.do(f"/tasks/{task.id}/runs")
        assert len(runs(desk)) == 1  # the one that waits already goes next
        with desk.inside():
            db.session.scalars(select(TaskRun)).one().state = RunState.RUNNING
            db.session.commit()
        assert "running already" in desk.do(f"/tasks/{task.id}/runs").words
        assert "is running. Remove it" in desk.do(f"/tasks/{task.id}/removal").words
        work(desk)
        assert "is removed" in desk.do(f"/tasks/{task.id}/removal").words
        assert not runs(desk)

    def test_a_clerk_runs_tasks_and_changes_none(self, desk, form):
        desk.do("/tasks/", **form)
        id = the_task(desk).id
        with desk.inside():
            db.session.get_one(User, desk.merchant.user_id).role = Role.CLERK
            db.session.commit()
        for path in ("/tasks/", f"/tasks/{id}/edit", f"/tasks/{id}/removal", f"/tasks/{id}/unlocking"):
            assert desk.browser.post(path, data=form).status_code == 403
        desk.do(f"/tasks/{id}/runs")
        assert len(runs(desk)) == 1


def test_two_schedulers_at_once_start_a_task_once(desk, form, app):
    desk.do("/tasks/", **form)
    make_due(desk)
    gate = threading.Barrier(4)

    def schedule():
        with app.app_context():
            gate.wait()
            for _ in range(3):
                scheduler.tick()

    threads = [threading.Thread(target=schedule) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(runs(desk)) == 1
