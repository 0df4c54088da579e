"""The pages of address statuses and number ranges: what is taken, what is refused, and where that is said."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.addresses.models import AddressStatus, NumberRange, Purpose
from portal.extensions import db
from portal.masterdata.models import PaymentTerms
from portal.platforms.models import Platform
from tests.desk import Desk
from tests.documents.builders import an_order

FORM = {
    **{"name": "Guests", "category": "Retail", "payment_terms": "0"},
    **{"prefix": "G", "digits": "4", "next_number": "1", "last_number": ""},
}


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def usual(desk):
    """The status that every tenant begins with."""
    with desk.inside():
        return db.session.scalars(select(AddressStatus)).one().id


def order_range(desk):
    with desk.inside():
        return db.session.scalars(select(NumberRange).where(NumberRange.purpose == Purpose.ORDER)).one()


def refused(desk, path, **typed):
    """What is said at the fields of a form that is refused; what was typed stays in it."""
    answer = desk.send(path, 422, **typed)
    for name, value in typed.items():
        assert answer.fields[name] == value, name
    return answer.words


class TestStatuses:
    def test_a_new_one_stands_in_the_list_with_its_next_number(self, desk):
        page = desk.do("/addresses/statuses/new", **FORM)
        assert "The address status is kept." in page.words
        assert ["Guests", "Retail", "G0001", "9,999"] in [row[:4] for row in page.rows]

    def test_a_copy_opens_with_another_name_and_numbers_of_its_own(self, desk, usual):
        fields = desk.open(f"/addresses/statuses/new?copy={usual}").fields
        assert fields["name"] == "Marketplace customers (copy)"
        page = desk.do("/addresses/statuses/new", **{name: fields[name] for name in FORM})
        assert len(page.rows) == 2

    @pytest.mark.parametrize("wrong", ["0", "999999999", "9" * 400, "x"])
    def test_a_copy_of_what_is_not_there(self, desk, wrong):
        assert desk.browser.get(f"/addresses/statuses/new?copy={wrong}").status_code == (200 if wrong == "x" else 404)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"name": ""}, "This field is required."),
            ({"name": "Marketplace customers"}, "There is already an address status called “Marketplace customers”."),
            ({"prefix": "much too long a prefix"}, "Field cannot be longer than 10 characters."),
            ({"digits": "13"}, "Number must be between 1 and 12."),
            ({"digits": "four"}, "Not a valid integer value."),
            ({"next_number": "10000"}, "10000 has more digits than 4."),
            ({"next_number": "-1"}, "Number must be between 0 and 999999999999."),
            ({"next_number": "50", "last_number": "49"}, "The last number lies before the next one."),
            ({"prefix": "", "digits": "7"}, "“Customers” gives out the same numbers one day."),
        ],
    )
    def test_what_cannot_be_is_said_at_its_field_and_what_was_typed_stays(self, desk, usual, change, said):
        assert said in refused(desk, "/addresses/statuses/new", **FORM | change)
        with desk.inside():
            assert db.session.scalars(select(AddressStatus.id)).all() == [usual]

    def test_a_form_left_open_while_orders_come_in_does_not_turn_the_numbers_back(self, desk, usual):
        path = f"/addresses/statuses/{usual}"
        fields = desk.open(path).fields
        desk.document("028-1")
        sent = {name: fields[name] for name in (*FORM, "shown_next")}
        desk.do(path, **sent | {"category": "Trade"})
        desk.document("028-2", buyer_reference="another")
        with desk.inside():
            assert db.session.get_one(AddressStatus, usual).category == "Trade"
            own = db.session.scalars(select(NumberRange).where(NumberRange.purpose == Purpose.ADDRESS)).one()
            assert own.next_number == int(fields["next_number"]) + 2

    def test_one_in_use_is_not_removed_and_says_why(self, desk, usual):
        desk.platform()
        page = desk.do(f"/addresses/statuses/{usual}/delete")
        assert "New customers of Amazon get the status" in page.words

    def test_a_clerk_looks_and_an_administrator_changes(self, app, desk, usual, make_tenant, client_of):
        clerk = client_of(make_tenant(role="clerk"))
        assert clerk.get("/addresses/statuses").status_code == clerk.get("/addresses/numbers").status_code == 200
        for path in ("/addresses/statuses/new", f"/addresses/statuses/{usual}", f"/addresses/numbers/{usual}"):
            assert clerk.get(path).status_code == clerk.post(path, data=FORM).status_code == 403


class TestRanges:
    def test_the_next_numbers_are_shown_while_they_are_typed(self, desk):
        typed = "prefix=R-&digits=4&next_number=98&last_number=9999"
        words = desk.open(f"/addresses/numbers/preview?{typed}", htmx=True).words
        assert "R-0098, R-0099, R-0100, …" in words and "9,902 numbers left" in words
        assert "show here" in desk.open("/addresses/numbers/preview?digits=x", htmx=True).words

    def test_orders_are_numbered_as_their_range_says(self, desk):
        path = f"/addresses/numbers/{order_range(desk).id}"
        desk.do(path, prefix="R-", digits="4", next_number="17", last_number="", reason="Up to 16 on paper.")
        desk.document("028-1")
        with desk.inside():
            assert desk.documents()["028-1"].number == "R-0017"

    def test_a_range_that_runs_out_is_told_on_the_dashboard_before_it_has(self, desk):
        path = f"/addresses/numbers/{order_range(desk).id}"
        desk.do(path, prefix="R", digits="4", next_number="1", last_number="101")
        assert "Orders” has" not in desk.open("/").words
        desk.do(path, prefix="R", digits="4", next_number="1", last_number="100")
        assert "The number range “Sales orders” has 100 numbers left" in desk.open("/").words
        desk.do(path, prefix="R", digits="4", next_number="1", last_number="1")
        desk.take(an_order("028-1"), an_order("028-2", buyer_reference="another"))
        assert "The number range “Sales orders” has 0 numbers left" in desk.open("/").words
        assert "No number left" in desk.open("/held/").words


class TestPaymentTerms:
    @pytest.fixture
    def terms(self, desk):
        with desk.inside():
            made = PaymentTerms(tenant_id=desk.merchant.tenant_id, name="30 days")
            db.session.add(made)
            db.session.commit()
            return made.id

    def test_those_of_the_status_come_before_the_platforms(self, desk, usual, terms):
        path = f"/addresses/statuses/{usual}"
        fields = desk.open(path).fields
        assert fields["payment_terms"] == "0"
        desk.do(path, **{name: fields[name] for name in (*FORM, "shown_next")} | {"payment_terms": str(terms)})
        assert desk.open(path).fields["payment_terms"] == str(terms)
        desk.take(an_order("028-1"))
        assert desk.documents()["028-1"].payment_terms_id == terms

    def test_what_is_tried_out_is_not_saved(self, desk, usual, terms):
        desk.take(an_order("028-1", total=None), an_order("028-2"))
        path = f"/addresses/statuses/{usual}"
        fields = desk.open(path).fields
        sent = {name: fields[name] for name in (*FORM, "shown_next")} | {"prefix": "K", "try": "1"}
        page = desk.send(path, 200, **sent)
        assert "Nothing was saved yet." in page.one("section", id="trial").words
        assert page.fields["prefix"] == "K"
        assert desk.open(path).fields["prefix"] == fields["prefix"]

    def test_what_would_be_refused_is_refused_when_it_is_tried_out(self, desk, usual):
        desk.do("/addresses/statuses/new", **FORM)
        path = f"/addresses/statuses/{usual}"
        fields = desk.open(path).fields
        sent = {name: fields[name] for name in (*FORM, "shown_next")} | {"name": "Guests", "try": "1"}
        assert "There is already an address status called" in desk.send(path, 422, **sent).words


class TestDefaults:
    def test_a_platform_names_the_status_of_its_new_customers(self, desk, usual):
        platform = desk.platform()
        desk.do("/addresses/statuses/new", **FORM)
        with desk.inside():
            guests = db.session.scalars(select(AddressStatus.id).where(AddressStatus.name == "Guests")).one()
        path = f"/platforms/{platform.id}/defaults"
        assert desk.open(path).fields["address_status"] == str(usual)
        desk.do(path, address_status=str(guests))
        with desk.inside():
            assert db.session.get_one(Platform, platform.id).address_status_id == guests

    def test_a_status_of_another_tenant_is_not_offered_or_taken(self, app, desk, make_tenant, client_of):
        neighbour = Desk.of(app, make_tenant(), client_of)
        with neighbour.inside():
            foreign = db.session.scalars(select(AddressStatus.id)).one()
        platform = desk.platform()
        assert (
            desk.browser.post(f"/platforms/{platform.id}/defaults", data={"address_status": str(foreign)}).status_code
            == 422
        )
