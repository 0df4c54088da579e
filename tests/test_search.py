"""The search in the head of every page: straight to the document, else everything that begins so."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.extensions import db
from portal.platforms.models import Platform
from tests.desk import NUMBER, Desk
from tests.documents.builders import an_order, write


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def leads_to(desk, term):
    answer = desk.browser.get("/search", query_string={"q": term})
    return answer.location if answer.status_code == 302 else None


def cards(desk, term):
    """The kinds of hits and how many there are."""
    page = desk.open("/search", q=term)
    return {card.one("h2").words: len(card.rows) for card in page.all("div", class_="card") if card.all("h2")}


class TestStraight:
    @pytest.mark.parametrize("spell", [str, str.lower, lambda text: f"  {text}\n", lambda text: f"\u200b{text}"])
    def test_a_documents_number_and_an_order_id(self, desk, spell):
        document = desk.document("028-ABC")
        desk.document("028-XYZ")
        assert leads_to(desk, spell(document.number)) == f"/documents/{document.id}"
        assert leads_to(desk, spell("028-ABC") if spell is not str.lower else "028-ABC") == f"/documents/{document.id}"

    def test_a_tracking_number_as_printed_on_the_label(self, desk):
        document = desk.document()
        desk.parcel(document)
        for typed in (NUMBER, "00340434 1234 5678 9012"):
            assert leads_to(desk, typed) == f"/documents/{document.id}"

    def test_the_same_order_id_on_two_platforms_is_listed(self, desk):

        desk.document("028-1")
        desk.platform("Amazon Polska", "amazon-2")
        with desk.inside():
            other = db.session.scalars(select(Platform).where(Platform.name == "Amazon Polska")).one()
            write(other, an_order("028-1"))
        assert leads_to(desk, "028-1") is None
        assert cards(desk, "028-1") == {"Documents": 2}

    def test_a_tracking_number_of_two_documents_is_listed(self, desk):
        for order_id in ("028-1", "028-2"):
            desk.parcel(desk.document(order_id))
        assert leads_to(desk, NUMBER) is None
        assert cards(desk, NUMBER) == {"Documents": 2, "Parcels": 2}


class TestHits:
    def test_a_name_finds_documents_and_addresses(self, desk):
        desk.take(*(an_order(f"028-{n}") for n in range(3)))
        assert cards(desk, "käthe") == {"Documents": 3, "Addresses": 3}
        page = desk.open("/search", q="müller")
        assert page.all("a", href="/documents/?q=m%C3%BCller") and page.all("a", href="/addresses/?q=m%C3%BCller")

    def test_at_most_ten_of_a_kind_and_the_list_has_them_all(self, desk):
        desk.take(*(an_order(f"028-{n}") for n in range(10)))
        assert "More match than are shown" not in desk.open("/search", q="Müller").words
        desk.take(*(an_order(f"028-{n}") for n in range(10, 12)))
        assert cards(desk, "Müller") == {"Documents": 10, "Addresses": 10}
        assert "More match than are shown" in desk.open("/search", q="Müller").words

    def test_a_held_order_by_its_number(self, desk):
        desk.take(an_order("028-1", total=None))
        assert cards(desk, "028-1") == {"Held orders": 1}
        assert desk.open("/search", q="028-1").link("028-1") == f"/held/{desk.held()['028-1'].id}"

    def test_what_is_not_found_can_be_asked_about(self, desk):
        page = desk.open("/search", q="028-404")
        assert "Nothing found" in page.words
        assert page.link("Ask about this order") == "/documents/ask?order_id=028-404"

    def test_nothing_typed_says_what_can_be(self, desk):
        for term in ("", "   ", "\u200b\x00"):
            assert "What are you looking for?" in desk.open("/search", q=term).words

    @pytest.mark.parametrize(
        "term",
        ["<script>alert(1)</script>", "'; DROP TABLE", "%", "_", "\\", "💥", "x" * 10_000, "٣", "ß"],
    )
    def test_hostile_terms_find_nothing(self, desk, term):
        desk.document()
        answer = desk.browser.get("/search", query_string={"q": term})
        assert answer.status_code == 200 and "<script>alert" not in answer.text and "Nothing found" in answer.text

    def test_the_term_stays_in_the_box(self, desk):
        assert desk.open("/search", q='a "b" <c>').fields["q"] == 'a "b" <c>'

    def test_a_neighbours_rows_are_not_found(self, desk, make_tenant, client_of):
        document = desk.document("028-1")
        neighbour = Desk.of(desk.app, make_tenant(), client_of)
        assert leads_to(neighbour, "028-1") is None and leads_to(neighbour, document.number) is None
        assert cards(neighbour, "Müller") == {}

    def test_nobody_sees_it_without_signing_in(self, app):
        assert app.test_client().get("/search?q=x").location.startswith("/sign-in")
