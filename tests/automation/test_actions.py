"""The assistant of area actions: its steps keep what was chosen, refuse what makes no sense, save and run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from jobs import scheduler
from jobs.actions import run_actions
from jobs.queues import WORK, Job, clear, waiting
from jobs.scheduler import MOST_ATTEMPTS
from portal.automation import actions
from portal.automation.areas import Scope, ScopeKind, Step
from portal.automation.models import ActionMessage, ActionRun, RunState, Schema
from portal.automation.registry import AREAS
from portal.extensions import db
from portal.locks import Lock, alone
from portal.tenants.models import Role, User
from tests.desk import Desk
from tests.reading import read

ASSISTANT = "/actions/assistant"
SUMMARY = f"{ASSISTANT}/summary?area=platforms&kind=all&presets=refresh"
PLATFORMS = {"area": "platforms", "kind": "all"}
SAVED = {"presets": ["refresh", "download_one"], "order_id": "028-1", **PLATFORMS}


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def runs(desk):
    with desk.inside():
        return db.session.scalars(select(ActionRun).order_by(ActionRun.id)).all()


def schemas(desk):
    with desk.inside():
        return db.session.scalars(select(Schema).order_by(Schema.name)).all()


def done(desk, step):
    """The id of a run of this step with all platforms, which a worker has done."""
    with desk.inside():
        run = actions.start(AREAS["platforms"], Scope(), [step], None)
        db.session.commit()
        id = run.id
    with desk.app.app_context():
        run_actions(desk.merchant.tenant_id, id)
    return id


def refused(desk, path, **query):
    answer = desk.browser.get(path, query_string=query)
    assert answer.status_code == 422, answer.text
    return read(answer.text)


class TestSteps:
    def test_what_was_selected_is_asked_for_first_and_kept_to_the_end(self, desk):
        ids = [desk.platform("One", "amazon-1").id, desk.platform("Two", "amazon-2").id]
        page = desk.open(f"{ASSISTANT}/scope?area=platforms&ids={ids[0]}&ids={ids[1]}")
        assert page.fields["kind"] == "selection"
        query = f"area=platforms&kind=selection&ids={ids[0]}&ids={ids[1]}"
        page = desk.open(f"{ASSISTANT}/steps?{query}")
        assert page.fields["kind"] == "selection" and page.fields["ids"] == str(ids[1])
        page = desk.open(f"{ASSISTANT}/summary?{query}&presets=refresh&presets=retry_held")
        assert page.grid["Which"] == "Platforms: 2 selected" and page.grid["Records now"] == "2"
        assert page.grid["What"] == "Refresh the connection Try held orders again"

    def test_a_range_is_said_in_words_and_counts_what_is_in_it(self, desk):
        for number in range(1, 4):
            desk.platform(f"Shop {number}", f"amazon-{number}")
        query = "area=platforms&kind=range&first=2&last=3&presets=refresh"
        page = desk.open(f"{ASSISTANT}/summary?{query}")
        assert page.grid["Which"] == "Platforms: from 2 to 3" and page.grid["Records now"] == "2"
        of_one = desk.open(f"{ASSISTANT}/summary?area=platforms&kind=range&platform=2&presets=refresh")
        assert of_one.grid["Which"] == "Platforms: of platform 2" and of_one.grid["Records now"] == "1"

    def test_documents_are_found_by_number_and_by_platform(self, desk):
        numbers = sorted(desk.document(f"028-1234567-000000{i}").number for i in range(3))
        query = f"area=documents&kind=range&first={numbers[1]}&presets=fetch_anew"
        assert desk.open(f"{ASSISTANT}/summary?{query}").grid["Records now"] == "2"
        assert desk.open(f"{ASSISTANT}/summary?{query}&platform=77").grid["Records now"] == "0"

    @pytest.mark.parametrize(
        ("typed", "field", "words"),
        [
            ({"kind": "range", "first": "two"}, "first", "whole number"),
            ({"kind": "range", "last": "9" * 30}, "last", "whole number"),
            ({"kind": "range", "first": "10", "last": "9"}, "last", "before the first"),
            ({"kind": "range", "platform": "x"}, "platform", "valid integer"),
            ({"kind": "range", "platform": "0"}, "platform", "between"),
            ({"kind": "all", "first": "2"}, "kind", "choose it"),
        ],
    )
    def test_a_range_that_makes_no_sense_is_refused_at_its_field(self, desk, typed, field, words):
        page = refused(desk, f"{ASSISTANT}/steps", area="platforms", **typed)
        assert words in page.error_of(field)
        assert page.fields[field] == typed[field]

    def test_nothing_ticked_and_an_order_without_number_are_refused_at_their_fields(self, desk):
        assert "at least one" in refused(desk, f"{ASSISTANT}/summary", **PLATFORMS).words
        page = refused(desk, f"{ASSISTANT}/summary", presets="download_one", **PLATFORMS)
        assert "needs its number" in page.error_of("order_id")
        page = refused(desk, f"{ASSISTANT}/summary", presets="reconcile", **PLATFORMS)
        assert "number of days" in page.error_of("days")
        page = refused(desk, f"{ASSISTANT}/summary", presets="reconcile", days="31", **PLATFORMS)
        assert "between" in page.error_of("days") and page.fields["days"] == "31"
        unknown = refused(desk, f"{ASSISTANT}/summary", presets="explode", **PLATFORMS)
        assert "explode" not in unknown.fields.values()

    def test_an_area_or_kind_that_is_none_is_not_found_or_refused(self, desk):
        assert desk.browser.get(f"{ASSISTANT}/scope?area=kitchens").status_code == 404
        assert desk.browser.get(f"{ASSISTANT}/scope").status_code == 404
        assert desk.browser.get(f"{ASSISTANT}/steps?area=platforms&kind=some").status_code == 422
        assert (
            desk.browser.get(f"{ASSISTANT}/summary?area=platforms&kind=all&presets=refresh&schema=x").status_code == 200
        )


class TestRunning:
    def test_what_the_summary_shows_is_run_and_its_page_shows_counts(self, desk):
        desk.platform()
        page = desk.do(ASSISTANT, presets=["retry_held"], **PLATFORMS)
        assert "Queued" in page.words and page.all("progress")
        (run,) = runs(desk)
        assert run.steps == [{"preset": "retry_held", "arguments": {}}] and run.started_by_id == desk.merchant.user_id
        with desk.app.app_context():
            run_actions(run.tenant_id, run.id)
        page = desk.open(f"/actions/{run.id}")
        assert "1 record: 0 processed, 0 warnings, 0 errors" in page.words and not page.all("progress")
        assert "Platforms: all" in desk.open("/actions/").rows[0]

    def test_what_is_said_of_a_record_leads_to_it(self, desk):
        platform = desk.platform(reference=None)
        id = done(desk, Step("download"))
        page = desk.open(f"/actions/{id}")
        assert page.rows[0][:3] == ["Amazon", "Error", "Download documents from the platform"]
        assert "not known to the cloud yet" in page.rows[0][3]
        assert f"/platforms/{platform.id}" in page.links

    def test_a_run_says_no_more_than_can_be_read(self, desk, monkeypatch):
        monkeypatch.setattr(actions, "MOST_MESSAGES", 2)
        for number in range(3):
            desk.platform(f"Shop {number}", None)
        id = done(desk, Step("download"))
        with desk.inside():
            assert db.session.get_one(ActionRun, id).errors == 3
            assert db.session.scalar(select(func.count()).select_from(ActionMessage)) == 2

    def test_a_preset_that_is_no_more_fails_the_run_in_words(self, desk):
        desk.platform()
        id = done(desk, Step("print"))
        assert runs(desk)[0].state == RunState.FAILED
        assert "There is no action “print” any more." in desk.open(f"/actions/{id}").words

    def test_stopping_says_that_it_will(self, desk):
        desk.platform()
        desk.do(ASSISTANT, presets=["refresh"], **PLATFORMS)
        page = desk.do(f"/actions/{runs(desk)[0].id}/stop")
        assert "Stops after the record in hand." in page.words

    def test_stopped_before_it_began_it_does_nothing(self, desk):
        desk.platform()
        desk.do(ASSISTANT, presets=["refresh"], **PLATFORMS)
        id = runs(desk)[0].id
        desk.do(f"/actions/{id}/stop")
        with desk.app.app_context():
            run_actions(desk.merchant.tenant_id, id)
        assert [(run.state, run.done) for run in runs(desk)] == [(RunState.STOPPED, 0)]

    def test_after_a_while_others_have_their_turn_and_then_it_goes_on(self, desk, monkeypatch):
        monkeypatch.setattr("jobs.actions.SLICE_SECONDS", 0)
        for number in range(3):
            desk.platform(f"Shop {number}", None)
        desk.do(ASSISTANT, presets=["retry_held", "refresh"], **PLATFORMS)
        id, seen = runs(desk)[0].id, []
        job = Job("jobs.actions.run_actions", (desk.merchant.tenant_id, id))
        while runs(desk)[0].state != RunState.DONE:
            with desk.app.app_context():
                assert job in waiting(WORK)
                clear(WORK)
                run_actions(desk.merchant.tenant_id, id)
            seen.append((runs(desk)[0].state, runs(desk)[0].done))
        assert seen == [*((RunState.QUEUED, done) for done in (1, 2, 4, 5)), (RunState.DONE, 6)]
        assert (runs(desk)[0].attempt, runs(desk)[0].fruitless) == (1, 0)

    def test_one_that_gets_on_is_not_given_up_for_its_restarts(self, desk, monkeypatch):
        for number in range(MOST_ATTEMPTS + 2):
            desk.platform(f"Shop {number}", None)
        desk.do(ASSISTANT, presets=["retry_held"], **PLATFORMS)
        id, write_down = runs(desk)[0].id, actions._write_down

        def write_down_and_die(*arguments):
            write_down(*arguments)
            raise SystemExit

        monkeypatch.setattr(actions, "_write_down", write_down_and_die)
        for restarts in range(1, MOST_ATTEMPTS + 1):
            with desk.app.app_context(), pytest.raises(SystemExit):
                run_actions(desk.merchant.tenant_id, id)
            (run,) = runs(desk)
            assert (run.attempt, run.fruitless, run.done) == (restarts, 0, restarts)
        with desk.inside():
            clear(WORK)
            db.session.get_one(ActionRun, id).started_at -= timedelta(hours=1)
            db.session.commit()
        with desk.app.app_context():
            scheduler.tick()
            assert Job("jobs.actions.run_actions", (desk.merchant.tenant_id, id)) in waiting(WORK)
            clear(WORK)
        assert runs(desk)[0].state == RunState.RUNNING

    @pytest.mark.parametrize("kind", [kind for kind in Lock if kind != Lock.ACTION_RUN], ids=lambda kind: kind.name)
    def test_what_else_is_locked_under_the_same_id_is_another_thing(self, desk, kind):
        with desk.inside():
            run = actions.start(AREAS["platforms"], Scope(), [Step("refresh")], None)
            db.session.commit()
            id = run.id
        with desk.app.app_context(), alone(kind, id) as ours:
            assert ours
            run_actions(desk.merchant.tenant_id, id)
        assert runs(desk)[0].state == RunState.DONE


class TestSchemas:
    def test_saving_is_immediate_and_runs_nothing(self, desk):
        page = desk.do("/actions/schemas", name="Every morning", **SAVED)
        assert "Every morning" in page.words and page.fields["name"] == "Every morning"
        (schema,) = schemas(desk)
        assert [Step.of_json(step) for step in schema.steps] == [
            Step("refresh"),
            Step("download_one", {"order_id": "028-1"}),
        ]
        assert not runs(desk)

    def test_one_that_is_opened_shows_what_was_saved_and_can_be_saved_over(self, desk):
        desk.do("/actions/schemas", name="Every morning", **SAVED)
        (schema,) = schemas(desk)
        page = desk.open(desk.browser.get(f"/actions/schemas/{schema.id}").location)
        assert page.grid["What"] == "Refresh the connection Fetch one order by its number: 028-1"
        changed = {**SAVED, "presets": ["refresh"], "kind": "range", "first": "2", "schema": schema.id}
        desk.do("/actions/schemas", name="Every evening", over="1", **changed)
        (schema,) = schemas(desk)
        assert schema.name == "Every evening" and Scope.of_json(schema.scope) == Scope(ScopeKind.RANGE, first="2")

    def test_a_name_that_is_taken_is_refused_at_its_field(self, desk):
        desk.do("/actions/schemas", name="Every morning", **SAVED)
        page = desk.send("/actions/schemas", 422, name="EVERY morning", **SAVED)
        assert "already" in page.error_of("name") and page.fields["name"] == "EVERY morning"
        assert len(schemas(desk)) == 1
        assert "required" in desk.send("/actions/schemas", 422, name=" ", **SAVED).error_of("name")

    def test_it_runs_as_it_is_and_leaves_its_runs_when_it_goes(self, desk):
        desk.platform()
        desk.do("/actions/schemas", name="Every morning", presets=["retry_held"], **PLATFORMS)
        (schema,) = schemas(desk)
        page = desk.do(f"/actions/schemas/{schema.id}/runs")
        assert page.grid["Schema"] == "Every morning"
        assert "is removed" in desk.do(f"/actions/schemas/{schema.id}/removal").words
        assert not schemas(desk) and runs(desk)[0].schema_id is None

    def test_a_clerk_runs_schemas_and_saves_none(self, desk):
        desk.do("/actions/schemas", name="Every morning", **SAVED)
        (schema,) = schemas(desk)
        with desk.inside():
            db.session.get_one(User, desk.merchant.user_id).role = Role.CLERK
            db.session.commit()
        assert desk.browser.post("/actions/schemas", data={"name": "Mine", **SAVED}).status_code == 403
        assert desk.browser.post(f"/actions/schemas/{schema.id}/removal").status_code == 403
        assert (
            "Save as new schema" not in desk.open(f"{ASSISTANT}/summary?area=platforms&kind=all&presets=refresh").words
        )
        desk.do(f"/actions/schemas/{schema.id}/runs")
        assert len(runs(desk)) == 1
