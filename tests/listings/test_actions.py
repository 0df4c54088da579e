"""Several rows at once: those that were ticked, or all that match the filters, whose number is said first."""

from __future__ import annotations

import pytest

from portal.documents import intake
from portal.extensions import db
from portal.listings.actions import ids_of
from portal.platforms.models import Platform
from portal.shipments.models import MessageState
from tests.desk import Desk
from tests.documents.builders import an_order, planned


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def three(desk):
    """Three held orders whose reason has passed."""
    desk.platform()
    with desk.inside():
        source = intake.source_of(db.session.query(Platform).one())
        orders = [an_order(f"028-{number}") for number in range(3)]
        intake.write_page(source, planned(source, *orders, refused="The database refused this order."), [])
        db.session.commit()
    return desk


def tick(desk, *ids, path="/held/selection", **more):
    return desk.browser.post(path, data={"action": "retry", "id": list(map(str, ids)), **more})


class TestHeld:
    def test_the_ticked_ones_are_tried_and_no_others(self, three):
        ids = [three.held()[order].id for order in ("028-0", "028-2")]
        assert tick(three, *ids).status_code == 302
        assert set(three.documents()) == {"028-0", "028-2"} and set(three.held()) == {"028-1"}
        assert "2 orders are documents now; 0 are held still." in three.open("/held/").words

    def test_all_that_match_are_counted_before_anything_is_done(self, three):
        page = three.send("/held/selection", 200, action="retry", all="1")
        assert "3 rows match." in page.words and len(three.held()) == 3
        tick(three, all="1", seen="1")
        assert len(three.documents()) == 3 and not three.held()

    def test_all_that_match_are_those_of_the_filters(self, three):
        filtered = "/held/selection?q=028-1"
        page = three.send(filtered, 200, action="retry", all="1")
        assert "1 row matches." in page.words
        form = page.one("form", class_="card").attributes["action"]
        tick(three, path=form, all="1", seen="1")
        assert set(three.documents()) == {"028-1"}

    def test_what_goes_beyond_one_go_is_said_and_left(self, three, monkeypatch):
        from dataclasses import replace

        from portal.held import views

        monkeypatch.setattr(views, "RETRY", replace(views.RETRY, most=2))
        page = three.send("/held/selection", 200, action="retry", all="1")
        assert "3 rows match." in page.words and "The first 2 of them are dealt with at once." in page.words
        tick(three, all="1", seen="1")
        assert len(three.held()) == 1

    def test_nothing_ticked_does_nothing_and_says_so(self, three):
        tick(three)
        assert len(three.held()) == 3
        assert "Nothing is selected." in three.open("/held/").words

    def test_what_is_no_longer_held_costs_the_others_nothing(self, three):
        ids = [order.id for order in three.held().values()]
        tick(three, ids[0])
        tick(three, *ids)
        assert len(three.documents()) == 3

    def test_the_list_is_left_as_it_was(self, three):
        answer = tick(three, path="/held/selection?q=028-1")
        assert answer.location == "/held/?q=028-1"

    def test_an_act_that_there_is_not_is_not_found(self, three):
        assert three.browser.post("/held/selection", data={"action": "delete"}).status_code == 404

    def test_each_row_can_be_ticked_and_is_named(self, three):
        boxes = three.open("/held/").all("input", name="id")
        assert {box.attributes["aria-label"] for box in boxes} == {f"Select 028-{n}" for n in range(3)}


class TestReports:
    @pytest.fixture
    def reports(self, desk):
        document = desk.document("028-1", quantities=(4,))
        states = (MessageState.FAILED, MessageState.CONFIRMED, MessageState.FAILED)
        return [desk.parcel(document, f"JJD0003900078800{number}", state=state) for number, state in enumerate(states)]

    def states(self, desk):
        return sorted(row[5].split()[0] for row in desk.open("/shipments/").rows)

    def test_what_failed_is_sent_again_and_nothing_else(self, desk, reports):
        tick(desk, *(report.id for report in reports), path="/shipments/selection")
        assert "2 reports are on their way again." in desk.open("/shipments/").words
        assert self.states(desk) == ["Confirmed", "Queued", "Queued"]

    def test_all_that_match_are_those_that_failed(self, desk, reports):
        page = desk.send("/shipments/selection", 200, action="retry", all="1")
        assert "2 rows match." in page.words

    def test_where_nothing_failed_nothing_is_offered(self, desk, reports):
        tick(desk, all="1", seen="1", path="/shipments/selection")
        page = desk.open("/shipments/")
        assert "Report again" not in page.words


class TestAreaActions:
    @pytest.fixture
    def ids(self, desk):
        desk.take(*(an_order(f"028-{n}") for n in range(3)))
        return {order: document.id for order, document in desk.documents().items()}

    def go_on(self, desk, query="", **form):
        """The first step of the assistant, where that is where it leads."""
        return desk.do(f"/documents/selection{query}", action="area", **form)

    def test_what_was_ticked_is_what_the_assistant_asks_about(self, desk, ids):
        page = self.go_on(desk, id=[ids["028-0"], ids["028-2"]])
        assert page.one("h1").words == "Area actions: Documents"
        assert page.fields["kind"] == "selection" and "What was selected (2)" in page.words

    def test_all_without_a_filter_are_all_there_will_be(self, desk, ids):
        assert self.go_on(desk, all="1").fields["kind"] == "all"

    def test_all_that_match_are_counted_and_then_selected(self, desk, ids):
        page = desk.send("/documents/selection?q=028-1", 200, action="area", all="1")
        assert "1 row matches." in page.words
        page = self.go_on(desk, "?q=028-1", all="1", seen="1")
        assert [box.attributes["value"] for box in page.all("input", name="ids")] == [str(ids["028-1"])]

    def test_platforms_lead_there_too(self, desk):
        id = desk.platform().id
        page = desk.do("/platforms/selection", action="area", id=[id])
        assert page.fields["kind"] == "selection"


def test_what_is_no_id_is_passed_over():
    typed = ["1", "x", "", "-1", "0", "²", "9" * 30, "1", "2", "3"]
    assert ids_of(typed, 2) == [1, 2]
