"""Parcels as a clerk enters them: what is taken, what is refused and where that is said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from portal.documents.models import Document, State
from portal.extensions import db
from portal.order import Status
from portal.shipments.models import Carrier, MessageState, Shipment
from tests.desk import NUMBER, Desk
from tests.documents.builders import a_line, an_order
from tests.shipments.builders import PLACED, a_carrier

ZONE = ZoneInfo("Europe/Berlin")


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def document(desk):
    return desk.document(quantities=(2, 1))


def today():
    return datetime.now(UTC).astimezone(ZONE).date()


def dhl(desk, name="DHL"):
    with desk.inside():
        return a_carrier(name).id


def form(desk, document, **typed):
    """The form as it is shown, with this typed into it."""
    shown = desk.open(f"/documents/{document.id}").one("form", id="ship").fields
    return {**shown, "carrier": str(dhl(desk)), "tracking_number": NUMBER, **typed}


def parcels(desk):
    with desk.inside():
        found = db.session.scalars(select(Shipment).order_by(Shipment.id)).all()
        for one in found:
            assert one.items is not None
        return found


def state_of(desk, document):
    with desk.inside():
        return db.session.get_one(Document, document.id).state


class TestShipping:
    def test_the_form_offers_everything_with_today_and_the_carrier_used_last(self, desk, document):
        first = desk.open(f"/documents/{document.id}").one("form", id="ship").fields
        assert (first["quantity-1"], first["quantity-2"], first["tracking_number"]) == ("2", "1", "")
        assert date.fromisoformat(first["shipped_on"]) == today()
        desk.do(f"/shipments/documents/{document.id}", **form(desk, document, carrier=str(dhl(desk, "GLS"))))
        other = desk.document("028-2")
        again = desk.open(f"/documents/{other.id}").one("form", id="ship").fields
        assert again["carrier"] == str(dhl(desk, "GLS"))

    def test_sent_as_it_is_everything_goes(self, desk, document):
        page = desk.do(f"/shipments/documents/{document.id}", **form(desk, document))
        assert "The parcel is booked. Its report is on the way to the marketplace." in page.words
        (parcel,) = parcels(desk)
        assert {item.position: item.quantity for item in parcel.items} == {1: 2, 2: 1}
        assert state_of(desk, document) == State.SHIPPED
        assert page.one("span", data_shipment_state="queued") and not page.all("form", id="ship")

    def test_without_quantities_everything_is_meant(self, desk, document):
        sent = {"carrier": dhl(desk), "tracking_number": NUMBER, "shipped_on": today().isoformat()}
        desk.do(f"/shipments/documents/{document.id}", **sent)
        assert {item.position: item.quantity for item in parcels(desk)[0].items} == {1: 2, 2: 1}

    def test_a_part_leaves_the_rest_open(self, desk, document):
        sent = form(desk, document, **{"quantity-1": "1", "quantity-2": ""})
        page = desk.do(f"/shipments/documents/{document.id}", **sent)
        assert state_of(desk, document) == State.PARTLY_SHIPPED
        rest = page.one("form", id="ship").fields
        assert (rest["quantity-1"], rest["quantity-2"]) == ("1", "1")
        desk.do(f"/shipments/documents/{document.id}", **form(desk, document, tracking_number="JJD000390007882"))
        assert state_of(desk, document) == State.SHIPPED
        assert [parcel.package_reference for parcel in parcels(desk)] == [1, 2]

    @pytest.mark.parametrize(
        "typed", ["0034 0434 1234 5678 9012", f"\t{NUMBER}\n", f"\u200b{NUMBER[:9]}\u00a0{NUMBER[9:]}"]
    )
    def test_spaces_in_a_tracking_number_do_not_count(self, desk, document, typed):
        desk.do(f"/shipments/documents/{document.id}", **form(desk, document, tracking_number=typed))
        assert parcels(desk)[0].tracking_number == NUMBER

    def test_a_number_of_another_carrier_is_taken_and_said(self, desk, document):
        page = desk.do(f"/shipments/documents/{document.id}", **form(desk, document, carrier=str(dhl(desk, "UPS"))))
        assert f"{NUMBER} looks like a number of DHL, not of UPS. It was reported as you entered it." in page.words

    def test_a_past_day_is_its_noon_where_the_tenant_is(self, desk, document):
        day = today() - timedelta(days=1)
        desk.do(f"/shipments/documents/{document.id}", **form(desk, document, shipped_on=day.isoformat()))
        assert parcels(desk)[0].shipped_at.astimezone(ZONE) == datetime(day.year, day.month, day.day, 12, tzinfo=ZONE)

    def test_sent_twice_it_is_one_parcel(self, desk, document):
        sent = form(desk, document)
        desk.do(f"/shipments/documents/{document.id}", **sent)
        desk.send(f"/shipments/documents/{document.id}", 422, **sent)
        assert len(parcels(desk)) == 1


LONG = "1" * 51


class TestRefusals:
    @pytest.mark.parametrize(
        ("field", "typed", "sentence"),
        [
            ("tracking_number", "", "Enter the tracking number."),
            ("tracking_number", " \u200b ", "Enter the tracking number."),
            ("tracking_number", LONG, "This tracking number has 51 signs; 50 are the most a carrier uses."),
            ("tracking_number", "123\r\n456", "There is a line break or a control character"),
            ("tracking_number", "123\x00456", "There is a line break or a control character"),
            ("carrier", "2147483647", "Not a valid choice."),
            ("carrier", "x", "Invalid Choice: could not coerce."),
            ("carrier", "", "Invalid Choice: could not coerce."),
            ("shipped_on", "", "Enter the day the parcel left."),
            ("shipped_on", "2026-13-01", "Not a valid date value."),
            ("shipped_on", "9999-12-31", "The ship date is more than a day ahead."),
            ("shipped_on", "0001-01-01", "The ship date lies before the order."),
            ("shipped_on", "2001-01-01", "The ship date lies before the order."),
        ],
    )
    def test_it_is_said_at_the_field_and_what_was_typed_stays(self, desk, document, field, typed, sentence):
        sent = form(desk, document, **{"quantity-1": "1", "quantity-2": "", field: typed})
        page = desk.send(f"/shipments/documents/{document.id}", 422, **sent).one("form", id="ship")
        assert page.error_of(field).startswith(sentence)
        kept = {name: value for name, value in sent.items() if name not in (field, "csrf_token")}
        assert {name: page.fields[name] for name in kept} == kept
        if field != "carrier" and "\x00" not in typed and "\n" not in typed:
            assert page.fields[field].strip() == typed.strip()
        assert parcels(desk) == [] and state_of(desk, document) == State.OPEN

    @pytest.mark.parametrize(
        ("quantities", "sentence"),
        [
            ({"quantity-1": "3"}, "Article 1: 3 are to be shipped, 2 are open."),
            ({"quantity-1": "-1"}, "Less than nothing cannot be shipped"),
            ({"quantity-1": "", "quantity-2": ""}, "Choose at least one piece"),
            ({"quantity-1": "0", "quantity-2": "0"}, "Choose at least one piece"),
            ({"quantity-1": "1.5"}, "“1.5” is not a whole number of pieces."),
            ({"quantity-1": "two"}, "“two” is not a whole number of pieces."),
            ({"quantity-1": "٣"}, "“٣” is not a whole number of pieces."),
            ({"quantity-1": "<b>"}, "“<b>” is not a whole number of pieces."),
            ({"quantity-1": "9" * 400}, "is not a whole number of pieces."),
            ({"quantity-1": "99999999999"}, "99999999999 are to be shipped, 2 are open."),
            ({"quantity-77": "1"}, "a chosen line is no longer where it was"),
        ],
    )
    def test_quantities_are_refused_where_they_stand_and_stay(self, desk, document, quantities, sentence):
        sent = form(desk, document, **quantities)
        page = desk.send(f"/shipments/documents/{document.id}", 422, **sent).one("form", id="ship")
        of_one_line = set(quantities) == {"quantity-1"}
        said = page.error_of("quantity-1") if of_one_line else page.one("div", role="alert").words
        assert sentence in said
        assert "open" in page.one("details").attributes
        for name in ("quantity-1", "quantity-2"):
            assert page.fields[name] == sent[name]
        assert page.fields["tracking_number"] == NUMBER
        assert parcels(desk) == []

    def test_boxes_of_a_page_whose_lines_have_changed_meanwhile_book_nothing(self, desk, document):
        sent = form(desk, document, **{"quantity-1": "", "quantity-2": "1"})
        lines = [a_line(1, quantity=2), a_line(3, quantity=4), a_line(2)]
        desk.take(an_order(version=10**6, placed_at=PLACED, lines=lines))
        page = desk.send(f"/shipments/documents/{document.id}", 422, **sent).one("form", id="ship")
        assert "The order was changed meanwhile" in page.one("div", role="alert").words
        assert parcels(desk) == []
        again = page.fields
        assert again["tracking_number"] == NUMBER
        # What was typed for a line that is still what it was stays; what another article moved into is empty.
        assert [again[f"quantity-{position}"] for position in (1, 2, 3)] == ["", "", ""]
        desk.do(f"/shipments/documents/{document.id}", **{**again, "quantity-3": "1"})
        assert {item.position: item.quantity for item in parcels(desk)[0].items} == {3: 1}

    def test_a_number_of_another_parcel_of_the_document(self, desk, document):
        desk.parcel(document)
        page = desk.send(f"/shipments/documents/{document.id}", 422, **form(desk, document))
        assert page.one("form", id="ship").error_of("tracking_number").startswith("Another parcel of this document")

    def test_a_buyer_who_wants_to_cancel_is_asked_about_first(self, desk):
        document = desk.document(cancel_requested=True)
        sent = form(desk, document)
        assert "despite_cancellation" not in sent
        page = desk.send(f"/shipments/documents/{document.id}", 422, **sent).one("form", id="ship")
        assert "The buyer has asked to cancel" in page.error_of("despite_cancellation")
        desk.do(f"/shipments/documents/{document.id}", **sent, despite_cancellation="y")
        assert state_of(desk, document) == State.SHIPPED

    def test_what_the_marketplace_ships(self, desk):
        self.closed(desk, desk.document(fulfilled_by="marketplace"), "from its own warehouse")

    def test_what_is_cancelled(self, desk):
        document = desk.document("028-1")
        desk.take(an_order("028-1", version=10**6, status=Status.CANCELLED))
        self.closed(desk, document, "This document is cancelled.")

    def test_what_reports_itself(self, desk):
        self.closed(desk, desk.document(programs=["AMAZON_EASY_SHIP"]), "This is a Easy Ship order")

    def test_what_is_shipped_already(self, desk):
        document = desk.document()
        desk.parcel(document)
        self.closed(desk, document, "Everything on this document is shipped.", 1)

    def closed(self, desk, document, sentence, before=0):
        assert not desk.open(f"/documents/{document.id}").all("form", id="ship")
        sent = {"carrier": dhl(desk), "tracking_number": "JJD000390007882", "shipped_on": today().isoformat()}
        page = desk.send(f"/shipments/documents/{document.id}", 422, **sent)
        assert sentence in page.words
        assert len(parcels(desk)) == before

    def test_a_neighbours_document_is_not_found(self, desk, document, make_tenant, client_of):
        neighbour = Desk.of(desk.app, make_tenant(), client_of)
        sent = {"carrier": dhl(neighbour), "tracking_number": NUMBER, "shipped_on": today().isoformat()}
        assert neighbour.browser.post(f"/shipments/documents/{document.id}", data=sent).status_code == 404
        sent["carrier"] = dhl(desk)
        mine = neighbour.document()
        page = neighbour.send(f"/shipments/documents/{mine.id}", 422, **sent)
        assert page.one("form", id="ship").error_of("carrier") == "Not a valid choice."

    def test_many_lines_go_in_several_parcels(self, desk):
        lines = [a_line(n) for n in range(1, 203)]
        desk.take(an_order("028-1", placed_at=PLACED, lines=lines))
        document = desk.documents()["028-1"]
        page = desk.open(f"/documents/{document.id}")
        assert "2 further lines follow in the next parcels." in page.words
        desk.do(f"/shipments/documents/{document.id}", **form(desk, document))
        assert state_of(desk, document) == State.PARTLY_SHIPPED
        rest = desk.open(f"/documents/{document.id}").one("form", id="ship").fields
        assert {name for name in rest if name.startswith("quantity-")} == {"quantity-201", "quantity-202"}


class TestReport:
    """State, path and parcels look again by themselves while a report is on its way."""

    def becomes(self, desk, parcel, state, **more):
        with desk.inside():
            row = db.session.get_one(Shipment, parcel.id)
            row.state = state
            for name, value in more.items():
                setattr(row, name, value)
            db.session.commit()

    def path(self, desk, document):
        return desk.open(f"/documents/{document.id}/path", htmx=True).one("div", id="path")

    def test_it_looks_again_until_the_marketplace_has_it(self, desk, document):
        parcel = desk.parcel(document)
        for state in (MessageState.QUEUED, MessageState.SENT):
            self.becomes(desk, parcel, state)
            page = self.path(desk, document)
            assert page.attributes["hx-get"] == f"/documents/{document.id}/path?failed="
            assert page.one("span", data_shipment_state=state.value)
        self.becomes(desk, parcel, MessageState.CONFIRMED, confirmed_at=datetime.now(UTC))
        page = self.path(desk, document)
        assert "hx-get" not in page.attributes and page.one("span", data_shipment_state="confirmed")

    def test_a_delay_is_said_while_it_is_tried_again(self, desk, document):
        parcel = desk.parcel(document)
        self.becomes(desk, parcel, MessageState.QUEUED, problem="The cloud is being updated.")
        words = self.path(desk, document).words
        assert "The cloud is being updated. It is tried again by itself." in words and "Send again" not in words

    def test_a_failure_says_why_and_can_be_sent_again_corrected(self, desk, document):
        parcel = desk.parcel(document)
        self.becomes(desk, parcel, MessageState.FAILED, problem="The carrier code is not known.")
        page = self.path(desk, document)
        assert "hx-get" not in page.attributes
        page = desk.open(f"/documents/{document.id}").one("div", id="retries")
        assert "The carrier code is not known." in page.one("div", role="alert").words
        retry = page.one("form", action=f"/shipments/{parcel.id}/retry")
        assert retry.attributes["action"] == f"/shipments/{parcel.id}/retry"
        sent = {**retry.fields, "tracking_number": "JJD 0003 9000 7882", "carrier": str(dhl(desk, "DHL Express"))}
        page = desk.do(f"/shipments/{parcel.id}/retry", **sent)
        assert "The report is on its way again." in page.words
        (row,) = parcels(desk)
        assert (row.state, row.tracking_number, row.problem) == (MessageState.QUEUED, "JJD000390007882", None)
        assert row.package_reference == 1

    def test_a_correction_that_is_refused_stays_in_its_form(self, desk, document):
        first = desk.parcel(document)
        second = desk.parcel(document, "JJD000390007882", {2: 1})
        for parcel in (first, second):
            self.becomes(desk, parcel, MessageState.FAILED, problem="No.")
        sent = {"carrier": str(dhl(desk, "GLS")), "tracking_number": NUMBER.lower()}
        page = desk.send(f"/shipments/{second.id}/retry", 422, **sent)
        forms = {one.attributes["action"]: one for one in page.all("form") if "retry" in one.attributes["action"]}
        refused, other = forms[f"/shipments/{second.id}/retry"], forms[f"/shipments/{first.id}/retry"]
        assert refused.error_of("tracking_number").startswith("Another parcel of this document")
        assert (refused.fields["tracking_number"], refused.fields["carrier"]) == (NUMBER, sent["carrier"])
        assert other.fields["tracking_number"] == NUMBER and not other.all("div", class_="invalid-feedback")
        assert {row.state for row in parcels(desk)} == {MessageState.FAILED}

    def test_what_is_typed_beside_a_report_on_its_way_is_left_alone(self, desk, document):
        """Looked at again, the page is told of those only that have failed since, and of those that did and do not."""
        first = desk.parcel(document, state=MessageState.FAILED, problem="No.")
        second = desk.parcel(document, "JJD000390007882", {2: 1})
        page = desk.open(f"/documents/{document.id}")
        look = page.one("div", id="path").attributes["hx-get"]
        assert look == f"/documents/{document.id}/path?failed={first.id}"
        page = desk.open(look, htmx=True)
        assert not page.all("form") and not page.all("div", id=f"retry-of-{first.id}")
        self.becomes(desk, second, MessageState.FAILED, problem="Not this one either.")
        page = desk.open(look, htmx=True)
        come = page.one("div", hx_swap_oob="beforeend:#retries")
        assert "Not this one either." in come.one("div", id=f"retry-of-{second.id}").words
        assert not page.all("div", id=f"retry-of-{first.id}")
        self.becomes(desk, first, MessageState.CONFIRMED)
        gone = desk.open(look, htmx=True).one("div", id=f"retry-of-{first.id}")
        assert gone.attributes["hx-swap-oob"] == "delete"
        assert desk.open(f"/documents/{document.id}/path?failed=x,,99999999999999999999", htmx=True)

    def test_a_parcel_that_is_wrong_is_taken_back_and_shipped_anew(self, desk, document):
        parcel = desk.parcel(document, state=MessageState.FAILED, problem="The order was cancelled.")
        page = desk.do(f"/shipments/{parcel.id}/removal")
        assert f"Parcel {NUMBER} is taken back." in page.words
        assert not parcels(desk) and state_of(desk, document) == State.OPEN
        assert page.one("form", id="ship").fields["quantity-1"] == "2"
        again = desk.parcel(document)
        page = desk.do(f"/shipments/{again.id}/removal")
        assert "the parcel cannot be taken back" in page.words
        assert len(parcels(desk)) == 1

    def test_what_has_not_failed_is_not_sent_again(self, desk, document):
        parcel = desk.parcel(document)
        page = desk.do(f"/shipments/{parcel.id}/retry", carrier=dhl(desk), tracking_number="JJD000390007882")
        assert "This report has not failed; it is on its way." in page.words
        assert parcels(desk)[0].tracking_number == NUMBER

    def test_a_neighbours_report_is_not_found(self, desk, document, make_tenant, client_of):
        parcel = desk.parcel(document)
        neighbour = client_of(make_tenant())
        assert neighbour.post(f"/shipments/{parcel.id}/retry", data={"tracking_number": "x"}).status_code == 404


class TestList:
    @pytest.fixture
    def reports(self, desk):
        states = [*MessageState, MessageState.FAILED, MessageState.CONFIRMED]
        for number, state in enumerate(states):
            document = desk.document(f"028-{number}")
            desk.parcel(document, f"JJD00039000788{number}", state=state, problem="No." if state == "failed" else None)

    def numbers(self, desk, **query):
        return [row[0][-1] for row in desk.open("/shipments/", htmx=True, **query).rows]

    def test_what_failed_stands_first_then_the_newest(self, desk, reports):
        assert self.numbers(desk) == ["4", "3", "5", "2", "1", "0"]

    def test_filters(self, desk, reports):
        assert self.numbers(desk, state="failed") == ["4", "3"]
        assert self.numbers(desk, state="confirmed", q="JJD000") == ["5", "2"]
        assert self.numbers(desk, q="jjd 0003 9000 7883") == ["3"]
        assert self.numbers(desk, q="7883") == []
        assert "6 of 6" in desk.open("/shipments/", state="nonsense").words
        assert "2 of 2" in desk.open("/shipments/", state="failed").words

    @pytest.mark.parametrize("states", [["failed"], ["queued", "failed", "sent", "confirmed"]])
    def test_every_parcel_is_walked_through_once(self, desk, states):
        desk.take(*(an_order(f"028-{n}", placed_at=PLACED) for n in range(56)))
        with desk.inside():
            carrier = a_carrier()
            for number, document in enumerate(db.session.scalars(select(Document))):
                db.session.add(
                    Shipment(
                        tenant_id=document.tenant_id,
                        document_id=document.id,
                        package_reference=1,
                        carrier_id=carrier.id,
                        tracking_number=str(number),
                        shipped_at=datetime.now(UTC),
                        key=f"{document.tenant_id}-{number}",
                        state=states[number % len(states)],
                    )
                )
            db.session.commit()
            rows = db.session.execute(select(Shipment.tracking_number, Shipment.state, Shipment.id)).all()
        expected = [row[0] for row in sorted(rows, key=lambda row: (row[1] == "failed", row[2]), reverse=True)]
        first = desk.open("/shipments/")
        second = desk.open(first.one("a", rel="next").attributes["href"], htmx=True)
        assert [row[0] for row in first.rows + second.rows] == expected
        back = desk.open(second.one("a", rel="prev").attributes["href"])
        assert back.rows == first.rows

    def test_an_empty_list_says_how_it_fills(self, desk):
        assert "No parcel yet" in desk.open("/shipments/").words


class TestCarriers:
    NEW = {"name": "Bote", "marketplace_code": "Other", "marketplace_name": "Bote & Co", "shipping_method": "Rad"}  # noqa: RUF012

    def test_a_new_tenant_has_the_usual_ones(self, desk):
        names = [row[0] for row in desk.open("/shipments/carriers").rows]
        assert {"DHL", "DPD", "GLS", "Hermes", "UPS", "Deutsche Post"} <= set(names) and names == sorted(names)

    def test_one_is_added_changed_and_removed(self, desk):
        page = desk.do("/shipments/carriers/new", **self.NEW)
        assert ["Bote", "Other", "Bote & Co", "Rad"] in page.rows
        url = page.link("Bote")
        assert self.NEW.items() <= desk.open(url).one("main").fields.items()
        changed = {"name": " Bote ", "marketplace_code": "DHL", "marketplace_name": "", "shipping_method": " "}
        assert ["Bote", "DHL", "–", "–"] in desk.do(url, **changed).rows
        assert "The carrier is removed." in desk.do(f"{url}/delete").words
        assert desk.browser.get(url).status_code == 404

    @pytest.mark.parametrize(
        ("typed", "field", "sentence"),
        [
            ({"name": "  "}, "name", "Enter a name."),
            ({"name": "DHL"}, "name", "There is already a carrier called “DHL”."),
            ({"name": "x" * 61}, "name", "Field cannot be longer than 60 characters."),
            ({"name": "a\nb"}, "name", "There is a character in it that cannot be printed."),
            ({"marketplace_code": ""}, "marketplace_code", "Enter the code, or “Other”."),
            ({"marketplace_name": ""}, "marketplace_name", "For “Other” the marketplace wants the carrier's name."),
            ({"shipping_method": "\x00"}, "shipping_method", "There is a character in it that cannot be printed."),
        ],
    )
    def test_what_is_refused_is_said_at_its_field(self, desk, typed, field, sentence):
        before = len(desk.open("/shipments/carriers").rows)
        with desk.inside():
            other = a_carrier("GLS").id
        for url in ("/shipments/carriers/new", f"/shipments/carriers/{other}"):
            page = desk.send(url, 422, **self.NEW | typed).one("main")
            assert page.error_of(field) == sentence
            kept = {name: value for name, value in self.NEW.items() if name != field}
            assert {name: page.fields[name] for name in kept} == kept
        assert len(desk.open("/shipments/carriers").rows) == before
        with desk.inside():
            assert db.session.get_one(Carrier, other).name == "GLS"

    def test_one_that_parcels_went_out_with_stays(self, desk):
        desk.parcel(desk.document())
        page = desk.do(f"/shipments/carriers/{dhl(desk)}/delete")
        assert "Parcels have gone out with “DHL”, so it cannot be removed." in page.words

    def test_a_clerk_may_look_and_not_change(self, app, make_tenant, client_of):
        desk = Desk.of(app, make_tenant(role="clerk"), client_of)
        page = desk.open("/shipments/carriers")
        assert "New carrier" not in page.words and not page.one("main").one("tbody").links
        id = dhl(desk)
        assert desk.browser.get("/shipments/carriers/new").status_code == 403
        assert desk.browser.post("/shipments/carriers/new", data=self.NEW).status_code == 403
        assert desk.browser.post(f"/shipments/carriers/{id}", data=self.NEW).status_code == 403
        assert desk.browser.post(f"/shipments/carriers/{id}/delete").status_code == 403

    def test_a_neighbours_is_not_found(self, desk, make_tenant, client_of):
        neighbour = client_of(make_tenant())
        id = dhl(desk)
        assert neighbour.get(f"/shipments/carriers/{id}").status_code == 404
        assert neighbour.post(f"/shipments/carriers/{id}/delete").status_code == 404


@pytest.mark.parametrize("path", ["/shipments/", "/shipments/carriers", "/shipments/carriers/new"])
def test_nobody_sees_it_without_signing_in(app, path):
    assert app.test_client().get(path).location.startswith("/sign-in")
    assert app.test_client().post("/shipments/documents/1").status_code == 302
