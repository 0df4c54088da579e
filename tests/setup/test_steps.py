"""The steps of the set-up: as far as the database has them, for those who may, and the last two at one click."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, update

from portal.automation import actions, tasks
from portal.automation.areas import Scope, ScopeKind, Step
from portal.automation.models import Condition, Run, RunState, Schema, Service, Task, TaskAction
from portal.automation.tasks import Planned
from portal.automation.triggers import Trigger, TriggerKind
from portal.credentials.models import Credential
from portal.extensions import db
from portal.masterdata.models import PaymentTerms
from portal.platforms import service as platforms
from portal.platforms.actions import PLATFORMS
from portal.platforms.models import Connection, Platform
from portal.sentences import kept, sentence
from portal.setup.steps import covers
from portal.tenants.models import Role, User
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.patience import SECONDS
from tests.reading import read

DONE, TODO, LATER, PROBLEM, UNDER_WAY = "Done", "To do", "Later", "Problem", "Under way"
NAMES = ["credential", "platform", "creation", "connection", "reference", "status", "fetch"]
NAMES += ["download", "upload_statuses"]
GERMANY = ["A1PA6795UKMFR9"]


class Beginner(Desk):
    """A merchant who sets up, and what he comes by."""

    def change(self, model, **columns):
        with self.inside():
            db.session.execute(update(model).values(**columns))
            db.session.commit()

    def credential_tested(self, problem=None):
        self.change(Credential, tested_at=datetime.now(UTC), test_problem=problem)

    def name_platform(self, name="Amazon"):
        with self.inside():
            credential = db.session.get_one(Credential, self.merchant.credential_id)
            made = platforms.create_platform(platforms.next_number(), name, credential, GERMANY)
            db.session.commit()
            return made.id

    def connect(self, ago=timedelta(minutes=1)):
        at = datetime.now(UTC) - ago
        self.change(Platform, connection=Connection.AUTHENTICATED, authorized_at=at, reference="amazon-1")

    def fetch(self, state=RunState.DONE, **columns):
        """A fetch of the first platform, as its worker leaves it behind."""
        with self.inside():
            platform = db.session.scalars(select(Platform).order_by(Platform.id)).first()
            columns |= {"tenant_id": platform.tenant_id, "platform_id": platform.id, "cause": "schedule"}
            run = Run(state=state, **columns)
            db.session.add(run)
            if state == RunState.DONE:
                platform.last_fetch_at = datetime.now(UTC)
            db.session.commit()
            return run.id

    def come_so_far(self):
        """Everything but the two tasks."""
        self.credential_tested()
        id = self.name_platform()
        self.connect()
        self.fetch(orders=1)
        return id

    def automate(self, id, preset):
        page = self.browser.post(f"/platforms/{id}/setup/tasks", data={"preset": preset})
        assert page.status_code == 302, page.text
        return page.location

    def tasks(self):
        with self.inside():
            return db.session.scalars(select(Task).order_by(Task.id)).all()


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Beginner.of(app, make_tenant(), client_of)


@pytest.fixture
def clerk(desk):
    """The same desk, for one who may not change anything."""
    desk.change(User, role=Role.CLERK)
    return desk


def steps(page):
    """What each step's state is called, by the name of the step."""
    shown = page.one("ol", class_="setup").all("li")
    return {one.attributes["id"].removeprefix("setup-"): one.all("span", class_="state")[0].words for one in shown}


def states(page):
    return list(steps(page).values())


def step(page, name):
    return page.one("li", id=f"setup-{name}")


def asked(app, ask):
    """How many statements a request takes."""
    seen = []
    with app.app_context():
        engine = db.engine

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)


class TestStates:
    def test_an_empty_tenant_begins_with_the_test_of_its_credential(self, desk):
        page = desk.open("/")
        assert list(steps(page)) == NAMES
        assert states(page) == [TODO, *[LATER] * 8]
        assert page.link("To the test") == f"/credentials/{desk.merchant.credential_id}"
        assert step(page, "platform").links == []

    def test_a_refused_credential_says_why(self, desk):
        desk.credential_tested(kept(sentence("The cloud does not know it.")))
        page = desk.open("/")
        assert steps(page)["credential"] == PROBLEM
        assert "The cloud does not know it." in step(page, "credential").words

    def test_a_credential_that_was_changed_is_to_be_tested_again(self, desk):
        desk.credential_tested()
        assert states(desk.open("/"))[:2] == [DONE, TODO]
        form = {"kind": "cloud", "name": "Cloud", "address": "http://127.0.0.1:9/cloud", "client_id": "another"}
        form["client_secret"] = "another"
        desk.do(f"/credentials/{desk.merchant.credential_id}", **form)
        assert states(desk.open("/"))[:2] == [TODO, LATER]

    def test_a_platform_is_gone_on_with_on_both_pages(self, desk):
        desk.credential_tested()
        assert desk.open("/").link("New platform") == "/platforms/new"
        id = desk.name_platform()
        for page in (desk.open("/"), desk.open(f"/platforms/{id}"), desk.open(f"/platforms/{id}/setup", htmx=True)):
            assert states(page) == [DONE, DONE, DONE, TODO, LATER, DONE, LATER, LATER, LATER]
            assert page.link("To the connection") == f"/platforms/{id}#connection"

    def test_without_its_standard_a_platform_is_not_to_be_connected(self, desk):
        desk.credential_tested()
        id = desk.name_platform()
        desk.change(Platform, payment_terms_id=None)
        page = desk.open(f"/platforms/{id}")
        assert states(page)[2:4] == [TODO, LATER]
        assert f"/platforms/{id}/creation" in step(page, "creation").links
        with desk.inside():
            terms = db.session.scalar(select(func.min(PaymentTerms.id)))
        desk.change(Platform, payment_terms_id=terms)
        assert states(desk.open(f"/platforms/{id}"))[2:4] == [DONE, TODO]

    def test_connected_it_looks_for_the_first_fetch_by_itself(self, desk):
        desk.credential_tested()
        id = desk.name_platform()
        desk.connect()
        page = desk.open(f"/platforms/{id}")
        assert states(page) == [*[DONE] * 6, TODO, LATER, LATER]
        assert "every 3s" in page.one("details", id="setup").attributes["hx-trigger"]
        desk.fetch(RunState.RUNNING)
        assert steps(desk.open(f"/platforms/{id}"))["fetch"] == UNDER_WAY
        desk.change(Run, state=RunState.FAILED, problem=kept(sentence("The cloud is away.")))
        page = desk.open(f"/platforms/{id}")
        assert steps(page)["fetch"] == PROBLEM and "The cloud is away." in step(page, "fetch").words
        assert step(page, "fetch").one("form").attributes["action"] == f"/platforms/{id}/fetches"
        desk.change(Run, state=RunState.DONE, orders=1)
        desk.change(Platform, last_fetch_at=datetime.now(UTC))
        page = desk.open(f"/platforms/{id}")
        assert states(page) == [*[DONE] * 7, TODO, TODO]
        assert "every" not in page.one("details", id="setup").attributes["hx-trigger"]

    def test_they_look_again_when_the_connection_was_refreshed_or_a_fetch_begun(self, desk):
        id = desk.come_so_far()
        desk.change(Credential, address="http://127.0.0.1:9/cloud")
        htmx = {"HX-Request": "true"}
        refreshed = desk.browser.get(f"/platforms/{id}/connection", headers=htmx)
        begun = desk.browser.post(f"/platforms/{id}/fetches", headers=htmx)
        listens = desk.open(f"/platforms/{id}").one("details", id="setup").attributes["hx-trigger"]
        for answer in (refreshed, begun):
            assert answer.status_code == 200
            assert f"{answer.headers['HX-Trigger']} from:body" in listens

    def test_the_latest_fetch_comes_along_to_the_page_that_shows_it(self, desk):
        id = desk.come_so_far()
        for page, comes in ((f"/platforms/{id}", True), ("/", False)):
            headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{page}?connection=authenticated"}
            shown = read(desk.browser.get(f"/platforms/{id}/setup", headers=headers).text)
            assert len(shown.all("div", id="run", hx_swap_oob="true")) == comes
            assert len(shown.all("dl", id="facts", hx_swap_oob="true")) == comes

    def test_a_permission_that_was_withdrawn_is_a_problem(self, desk):
        id = desk.come_so_far()
        desk.change(Platform, connection=Connection.REVOKED, connection_problem=None)
        page = desk.open(f"/platforms/{id}")
        assert states(page) == [DONE, DONE, DONE, PROBLEM, DONE, DONE, DONE, TODO, TODO]
        assert f"/platforms/{id}#connection" in step(page, "connection").links

    def test_set_up_it_takes_a_line_there_and_none_on_the_dashboard(self, desk):
        id = desk.come_so_far()
        for preset in ("download", "upload_statuses"):
            desk.automate(id, preset)
        assert desk.open("/").all("details", id="setup") == []
        line = desk.open(f"/platforms/{id}").one("details", id="setup")
        assert "open" not in line.attributes and "Everything is set up" in line.words
        assert states(line) == [DONE] * 9

    def test_the_dashboard_goes_on_with_the_next_platform_and_leaves_out_those_switched_off(self, desk):
        first = desk.come_so_far()
        second, third = desk.name_platform("Second"), desk.name_platform("Third")
        page = desk.open("/")
        assert "Set-up of Amazon" in page.words and f"/platforms/{second}" in page.links
        assert "Still to be set up: Second, Third" in page.words
        for preset in ("download", "upload_statuses"):
            desk.automate(first, preset)
        with desk.inside():
            db.session.get_one(Platform, second).active = False
            db.session.commit()
        page = desk.open("/")
        assert "Set-up of Third" in page.words and "Still to be set up" not in page.words
        assert f"/platforms/{third}/setup" == page.one("details", id="setup").attributes["hx-get"]

    def test_it_takes_as_many_statements_for_many_platforms_as_for_few(self, desk):
        id = desk.come_so_far()
        desk.automate(id, "download")
        desk.open("/")  # what is done once a process is done
        few = asked(desk.app, lambda: desk.open("/"))
        for number in range(5):
            desk.automate(desk.name_platform(f"Amazon {number}"), "download")
        assert asked(desk.app, lambda: desk.open("/")) == few


class TestTasks:
    def test_one_click_makes_schema_and_task_and_shows_the_task(self, desk):
        id = desk.come_so_far()
        page = desk.open(desk.automate(id, "download"))
        assert page.grid["Starts"] == "Continuously, 15 minutes between two runs"
        assert page.grid["What"] == "Fetch orders: Amazon Platforms: Download documents from the platform"
        task = desk.tasks()[0]
        assert task.active and task.next_at and task.name == "Fetch orders: Amazon"
        with desk.inside():
            schema = db.session.scalars(select(Schema)).one()
            assert list(PLATFORMS.ids(Scope.of_json(schema.scope), 0, 9)) == [id]
            assert schema.steps == [{"preset": "download", "arguments": {}}]
        assert states(desk.open("/"))[-2:] == [DONE, TODO]
        desk.automate(id, "upload_statuses")
        assert [task.name for task in desk.tasks()] == ["Fetch orders: Amazon", "Upload statuses: Amazon"]

    def test_a_second_click_makes_no_second_task(self, desk):
        id = desk.come_so_far()
        assert desk.automate(id, "download") == desk.automate(id, "download")
        assert len(desk.tasks()) == 1

    def test_of_two_clicks_at_once_one_makes_the_task(self, desk, client_of):
        id = desk.come_so_far()
        ready, led = threading.Barrier(2), []

        def click():
            browser = client_of(desk.merchant)
            ready.wait(SECONDS)
            led.append(browser.post(f"/platforms/{id}/setup/tasks", data={"preset": "download"}).location)

        both = [threading.Thread(target=click) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join(SECONDS)
        assert len(desk.tasks()) == 1 and len(set(led)) == 1 and len(led) == 2

    def test_a_removed_task_leaves_its_schema_which_is_taken_again(self, desk):
        id = desk.come_so_far()
        desk.do(f"{desk.automate(id, 'download')}/removal")
        assert states(desk.open("/"))[-2:] == [TODO, TODO]
        desk.automate(id, "download")
        with desk.inside():
            assert db.session.scalar(select(func.count()).select_from(Schema)) == 1

    def test_names_that_are_taken_get_a_number_and_long_ones_are_cut(self, desk):
        id = desk.come_so_far()
        with desk.inside():
            actions.save_schema("FETCH ORDERS: AMAZON", PLATFORMS, Scope(), [Step("refresh")])
            db.session.commit()
        desk.automate(id, "download")
        with desk.inside():
            assert db.session.scalar(select(Schema.name).order_by(Schema.id.desc())) == "Fetch orders: Amazon (2)"
        desk.automate(desk.name_platform("A" * 60), "upload_statuses")
        assert len(desk.tasks()[-1].name) == 60

    def test_a_task_that_is_off_is_switched_on_by_hand_and_a_locked_one_is_a_problem(self, desk):
        id = desk.come_so_far()
        there = desk.automate(id, "download")
        desk.change(Task, active=False)
        page = desk.open("/")
        assert steps(page)["download"] == TODO and page.link("Switch it on") == f"{there}/edit"
        assert desk.automate(id, "download") == there and not desk.tasks()[0].active
        desk.change(Task, active=True, locked_at=datetime.now(UTC))
        page = desk.open("/")
        assert steps(page)["download"] == PROBLEM and page.link("To the task") == there
        desk.change(Task, locked_at=None)
        desk.change(Service, active=False)
        page = desk.open("/")
        assert steps(page)["download"] == PROBLEM and "its service is stopped" in page.words

    def test_a_task_of_all_platforms_counts_and_one_by_hand_does_not(self, desk):
        id = desk.come_so_far()
        with desk.inside():
            schema = actions.save_schema("All", PLATFORMS, Scope(), [Step("upload_statuses"), Step("download")])
            trigger = Trigger(TriggerKind.CONTINUOUS, pause=timedelta(minutes=5))
            tasks.save(Task(), "All day", True, trigger, [Planned(schema.id)])
            db.session.commit()
        assert states(desk.open(f"/platforms/{id}"))[-2:] == [DONE, DONE]
        desk.change(TaskAction, condition=Condition.ERRORS)
        assert states(desk.open(f"/platforms/{id}"))[-2:] == [TODO, TODO]
        desk.change(TaskAction, condition=Condition.PROCESSED)
        assert states(desk.open(f"/platforms/{id}"))[-2:] == [DONE, DONE]
        desk.change(Task, kind=TriggerKind.MANUAL)
        assert states(desk.open(f"/platforms/{id}"))[-2:] == [TODO, TODO]

    @pytest.mark.parametrize(
        "scope",
        [
            Scope(),
            Scope(ScopeKind.SELECTION, (0,)),
            Scope(ScopeKind.RANGE, first="2"),
            Scope(ScopeKind.RANGE, last="1"),
            Scope(ScopeKind.RANGE, first="1", last="3"),
            Scope(ScopeKind.RANGE, first="3"),
            Scope(ScopeKind.RANGE, platform=2),
            Scope(ScopeKind.RANGE, first="2", platform=1),
        ],
    )
    def test_a_scope_covers_what_its_run_would_find(self, desk, scope):
        ids = [desk.name_platform(name) for name in ("First", "Second")]
        with desk.inside():
            if scope.ids:
                scope = Scope(ScopeKind.SELECTION, (ids[1],))
            for id in ids:
                assert covers(scope, db.session.get_one(Platform, id)) == (id in PLATFORMS.ids(scope, 0, 9))

    def test_what_is_no_preset_is_refused(self, desk):
        id = desk.come_so_far()
        desk.send(f"/platforms/{id}/setup/tasks", 422, preset="refresh")
        assert desk.tasks() == []


class TestRights:
    def test_a_clerk_sees_states_and_no_way_he_may_not_go(self, clerk):
        id = clerk.come_so_far()
        clerk.change(Platform, payment_terms_id=None)
        page = clerk.open(f"/platforms/{id}").one("details", id="setup")
        assert states(page) == [DONE, DONE, TODO, DONE, DONE, DONE, DONE, TODO, TODO]
        assert page.all("form") == [] and "An administrator of your company" in page.words
        for link in page.links:
            clerk.open(link)
        assert clerk.browser.post(f"/platforms/{id}/setup/tasks", data={"preset": "download"}).status_code == 403
        assert clerk.tasks() == []

    def test_an_administrator_may_go_each_way_he_is_offered(self, desk):
        id = desk.come_so_far()
        for link in desk.open(f"/platforms/{id}").one("details", id="setup").links:
            desk.open(link)


class TestQuiet:
    """A fetch that finds nothing, and no order ever came."""

    def come_in_vain(self, desk, ago):
        id = desk.name_platform()
        desk.connect(ago)
        return id, desk.fetch(orders=0)

    def pages(self, desk, id, run):
        return [desk.open(path) for path in ("/", f"/platforms/{id}", f"/jobs/{run}")]

    def test_at_first_it_is_usual_and_says_when_the_cloud_last_looked(self, desk):
        id, run = self.come_in_vain(desk, timedelta(hours=11, minutes=59))
        desk.change(Credential, address="http://127.0.0.1:9/cloud")
        for page in self.pages(desk, id, run):
            assert "can take 4 to 12 hours" in page.words and "Connected: 12 hours ago" in page.words
            assert "Nothing answers at 127.0.0.1:9" in page.words
            assert "0 orders" not in page.words and "Are the marketplaces" not in page.words
        assert desk.open(f"/jobs/{run}/progress", htmx=True).all("div", role="alert") == []

    def test_later_it_says_what_to_do(self, desk):
        id, run = self.come_in_vain(desk, timedelta(hours=12, minutes=1))
        for page in self.pages(desk, id, run):
            assert "longer than the 4 to 12 hours" in page.words
            to_do = page.all("div", role="alert")[0]
            ways = [f"/platforms/{id}/edit", f"/platforms/{id}/connection", "/documents/ask"]
            assert to_do.links == ways and "amazon-1" in to_do.words

    def test_it_is_over_with_the_first_order_even_a_held_one(self, desk):
        id, run = self.come_in_vain(desk, timedelta(hours=13))
        desk.take(an_order("028-1", total=None))
        for page in self.pages(desk, id, run):
            assert "No order yet" not in page.words
        assert "0 orders: 0 new" in desk.open(f"/jobs/{run}").words

    def test_what_failed_is_an_error_as_ever(self, desk):
        id, run = self.come_in_vain(desk, timedelta(hours=1))
        desk.change(Run, state=RunState.FAILED, problem="The cloud is away.")
        for page in self.pages(desk, id, run)[1:]:
            assert "No order yet" not in page.words and "The cloud is away." in page.words
