"""What lists do with the rows that were ticked, and how they take them along in a file."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from portal.addresses import merging
from portal.addresses.models import Address, NumberRange
from portal.addresses.numbers import Numbering
from portal.addresses.service import change_range, lock
from portal.automation.models import RunState, Schema, Service, Task, TaskRun
from portal.extensions import db
from portal.masterdata import articles
from portal.masterdata.articles import Wares
from portal.tenants.models import Role, User
from tests.desk import Desk
from tests.listings.test_every_list import a_merchant_with_something_everywhere

TASKS, ARTICLES = "/tasks/", "/masterdata/articles/"


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def found(desk):
    return a_merchant_with_something_everywhere(desk)


def tick(desk, path, action, *names, seen=True):
    """The page after an action on the rows of these names."""
    page = desk.open(path)
    ids, address = page.ticks, page.one("form", class_="selection").attributes["action"]
    return desk.do(address, action=action, id=[ids[name] for name in names], **({"seen": "1"} if seen else {}))


def buttons(page):
    return [button.words for button in page.one("form", class_="selection").all("button")]


def rows(desk, model):
    with desk.inside():
        return {row.name: row for row in db.session.scalars(select(model))}


class TestRemoval:
    def test_it_asks_once_and_says_what_stays_and_why(self, desk, found):
        with desk.inside():
            articles.write([Wares("A-3", "Chair")])
            db.session.commit()
        ids = desk.open(ARTICLES).ticks
        page = desk.send(f"{ARTICLES}selection", 200, action="remove", id=[ids["A-1"], ids["A-3"]])
        assert "2 rows are selected. What is removed does not come back." in page.words
        assert desk.open(ARTICLES).ticks == ids, "nothing is removed yet"
        form = page.one("form", class_="card")
        sent = [box.attributes["value"] for box in form.all("input", name="id")]
        page = desk.do(form.attributes["action"], **{**form.fields, "id": sent})
        assert "1 is removed. SKUs are assigned to “A-1”, so the article stays." in page.words
        assert page.ticks == {"A-1": ids["A-1"], "A-2": ids["A-2"]}

    def test_of_many_reasons_some_are_said(self, desk, found):
        page = tick(desk, "/addresses/statuses", "remove", *desk.open("/addresses/statuses").ticks)
        assert "There are addresses with the status" in page.words
        with desk.inside():
            for n in range(6):
                db.session.add(Service(tenant_id=desk.merchant.tenant_id, name=f"S{n}"))
            db.session.flush()
            for service in db.session.scalars(select(Service).where(Service.name.like("S_"))):
                task = Task(tenant_id=service.tenant_id, name=service.name, service=service, kind="manual", times=[])
                task.weekdays, task.month_day, task.pause_minutes = [], 1, 15
                db.session.add(task)
            db.session.commit()
        page = tick(desk, "/services/", "remove", *(f"S{n}" for n in range(6)))
        assert page.words.count("1 task belongs to this service.") == 3
        assert "0 are removed." in page.words and "3 more stay as they were." in page.words

    def test_nobody_removes_himself(self, desk, found):
        page = tick(desk, "/settings/users", "remove", "Carl Clerk", "Olga Owner")
        assert "1 is removed. You cannot remove yourself." in page.words
        assert set(rows(desk, User)) == {"Olga Owner"}

    def test_a_schema_that_a_task_runs_stays(self, desk, found):
        desk.do("/actions/schemas", name="Idle", area="platforms", kind="all", presets="refresh")
        page = tick(desk, "/actions/schemas", "remove", "Each", "Idle")
        assert "1 is removed. A task runs the schema “Each”." in page.words
        assert set(rows(desk, Schema)) == {"Each"}

    def test_assignments_go_by_their_sku(self, desk, found):
        path = f"/platforms/{found['platform']}/articles"
        page = tick(desk, path, "remove", "S-1", "T-3")
        assert "2 assignments are removed." in page.words and set(page.ticks) == {"S-2"}

    def test_who_may_not_is_not_offered_it_and_is_not_obeyed(self, desk, found):
        with desk.inside():
            db.session.scalars(select(User).where(User.email == desk.merchant.email)).one().role = Role.CLERK
            db.session.commit()
        page = desk.open("/shipments/carriers")
        assert buttons(page) == [] and page.ticks
        answer = desk.browser.post(
            "/shipments/carriers/selection", data={"action": "remove", "id": [*page.ticks.values()], "seen": "1"}
        )
        assert answer.status_code == 404
        assert desk.open("/shipments/carriers").ticks == page.ticks
        assert buttons(desk.open(TASKS)) == ["Run next"]


class TestSwitches:
    def test_on_and_off_as_far_as_they_are_not_yet(self, desk, found):
        with desk.inside():
            articles.write([Wares("A-3", "Chair", active=False)])
            db.session.commit()
        assert "2 are switched off." in tick(desk, ARTICLES, "off", "A-1", "A-2", "A-3").words
        assert buttons(desk.open(ARTICLES)) == ["Switch on", "Remove"]
        assert "1 is switched on." in tick(desk, ARTICLES, "on", "A-2").words
        assert [row[-1] for row in desk.open(ARTICLES).rows] == ["Off", "On", "Off"]

    def test_all_that_match_are_offered_where_they_are_more_than_the_page(self, desk, found):
        assert "all that match" not in desk.open(ARTICLES).words
        with desk.inside():
            articles.write([Wares(f"B-{n:03}", "Lamp") for n in range(120)])
            db.session.commit()
        assert "Switch off: all that match" in desk.open(ARTICLES).words
        page = desk.send(f"{ARTICLES}selection?q=B-", 200, action="off", all="1")
        assert "120 rows match. Those that are so already stay as they are." in page.words
        form = page.one("form", class_="card")
        assert "120 are switched off." in desk.do(form.attributes["action"], **form.fields).words
        assert {row[-1] for row in desk.open(ARTICLES, q="A-").rows} == {"On"}

    def test_a_task_starts_by_itself_from_then_on_or_no_more(self, desk, found):
        tick(desk, TASKS, "on", "Noon")
        assert rows(desk, Task)["Noon"].next_at > datetime.now(UTC)
        tick(desk, TASKS, "off", "Noon", "Morning")
        assert [rows(desk, Task)[name].next_at for name in ("Noon", "Morning")] == [None, None]

    def test_services_stop_and_start(self, desk, found):
        assert "1 is stopped." in tick(desk, "/services/", "stop", "Night").words
        assert not rows(desk, Service)["Night"].active
        assert "1 is started." in tick(desk, "/services/", "start", "Night", "Day").words
        assert rows(desk, Service)["Night"].active


class TestTasks:
    def test_those_that_can_run_next_and_the_others_say_why_not(self, desk, found):
        page = tick(desk, TASKS, "run", "Morning", "Noon", "Evening")
        assert "2 run next. “Evening” is locked. Unlock it first." in page.words
        with desk.inside():
            assert len(db.session.scalars(select(TaskRun)).all()) == 2

    def test_locked_ones_are_unlocked(self, desk, found):
        assert "1 is unlocked." in tick(desk, TASKS, "unlock", "Morning", "Evening").words
        assert rows(desk, Task)["Evening"].locked_at is None
        assert "Unlock" not in buttons(desk.open(TASKS))

    def test_one_that_runs_is_not_removed(self, desk, found):
        tick(desk, TASKS, "run", "Morning")
        with desk.inside():
            db.session.scalars(select(TaskRun)).one().state = RunState.RUNNING
            db.session.commit()
        page = tick(desk, TASKS, "remove", "Morning", "Noon")
        assert "1 is removed. “Morning” is running." in page.words


class TestAddresses:
    def test_pairs_are_kept_apart(self, desk, found):
        page = tick(desk, "/addresses/doubles", "apart", found["third"], found["second"])
        assert "2 pairs are kept as two customers." in page.words
        assert [row[:2] for row in page.rows] == [[found["third"], found["second"]]]

    def test_merges_are_undone(self, desk, found):
        with desk.inside():
            kept, merged, _third = db.session.scalars(select(Address).order_by(Address.id))
            merging.merge(kept, merged, desk.merchant.user_id)
            db.session.commit()
        (name,) = desk.open("/addresses/merges").ticks
        assert "1 merge is undone." in tick(desk, "/addresses/merges", "undo", name).words
        assert len(desk.open("/addresses/").rows) == 3

    def test_all_documents_of_an_address_are_not_all_there_are(self, desk, found):
        page = desk.send(f"/addresses/{found['address']}/selection", 200, action="area", all="1")
        assert "2 rows match." in page.words
        form = page.one("form", class_="card")
        page = desk.do(form.attributes["action"], **form.fields)
        assert page.fields["kind"] == "selection" and "What was selected (2)" in page.words

    def test_documents_of_an_address_go_on_to_the_area_actions(self, desk, found):
        page = tick(desk, f"/addresses/{found['address']}", "area", found["document"])
        assert page.one("h1").words == "Area actions: Documents" and "What was selected (1)" in page.words


class TestFiles:
    @pytest.fixture
    def many(self, desk):
        with desk.inside():
            articles.write([Wares(f"A-{n:03}", "Lamp") for n in range(120)])
            db.session.commit()

    def taken(self, desk, page, *names):
        ids, address = page.ticks, page.one("form", class_="selection").attributes["action"]
        answer = desk.browser.post(address, data={"action": "csv", "id": [ids[name] for name in names]})
        assert answer.mimetype == "text/csv" and "articles-" in answer.headers["Content-Disposition"]
        return [line[0] for line in csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))][1:]

    def test_the_ticked_rows_of_a_page_in_its_order(self, desk, many):
        page = desk.open(ARTICLES, sort="-number")
        assert self.taken(desk, page, "A-100", "A-119", "A-071") == ["A-119", "A-100", "A-071"]
        page = desk.open(page.link("Next"))
        assert self.taken(desk, page, "A-030", "A-069") == ["A-069", "A-030"]
        page = desk.open(desk.open(page.link("Next")).link("Previous"))
        assert self.taken(desk, page, "A-020", "A-069") == ["A-069", "A-020"]

    def test_what_came_meanwhile_does_not_push_them_out(self, desk, many):
        page = desk.open(ARTICLES)
        with desk.inside():
            articles.write([Wares(f"0-{n:03}", "Lamp") for n in range(120)])
            db.session.commit()
        assert self.taken(desk, page, "A-000", "A-049") == ["A-000", "A-049"]

    def test_a_number_that_was_left_out_is_taken_along_too(self, desk, found):
        path = f"/addresses/numbers/{found['range']}/ledger"
        with desk.inside():
            number_range = db.session.get_one(NumberRange, found["range"])
            lock(number_range.purpose)
            present = number_range.numbering
            skipping = Numbering(present.prefix, present.digits, present.next_number + 10, present.last_number)
            change_range(number_range, skipping, "a new year", desk.merchant.user_id)
            db.session.commit()
        page = desk.open(path)
        ids = page.ticks
        assert any(id.startswith("-") for id in ids.values())
        address = page.one("form", class_="selection").attributes["action"]
        answer = desk.browser.post(address, data={"action": "csv", "id": list(ids.values())})
        assert len(answer.text.splitlines()) == 1 + len(ids) and "a new year" in answer.text

    def test_nothing_ticked_is_said(self, desk, many):
        page = desk.do(f"{ARTICLES}selection", action="xlsx")
        assert "Nothing is selected." in page.words

    def test_after_an_action_the_page_is_the_one_it_was_done_on(self, desk, many):
        page = desk.open(desk.open(ARTICLES).link("Next"))
        address = page.one("form", class_="selection").attributes["action"]
        page = desk.do(address, action="off", id=page.ticks["A-060"])
        assert page.rows[0][0] == "A-050" and "1 is switched off." in page.words
