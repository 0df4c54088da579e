"""The address book: every buyer once, found by number or name, with his documents."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.addresses.models import Address
from portal.extensions import db
from portal.order import Party
from tests.desk import Desk
from tests.documents.builders import EPOCH, an_order


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def buyer(name, number=0, **more):
    who = Party(name=name, street="Weg 1", postal_code="01067", city="Dresden", country="DE", **more)
    return {"buyer": who, "delivery": who, "buyer_reference": f"{name}-{number}"}


def addresses(desk):
    with desk.inside():
        return {address.name: address for address in db.session.scalars(select(Address).order_by(Address.number))}


NAMES = ("Käthe Müller", "Öykü ÖZTÜRK", "Anna Schmidt", "anna Zander", "Ludwig van Beethoven")


@pytest.fixture
def people(desk):
    desk.take(*(an_order(f"028-{n}", **buyer(name)) for n, name in enumerate(NAMES)))
    return addresses(desk)


def found(desk, **query):
    return [row[1] for row in desk.open("/addresses/", htmx=True, **query).rows]


class TestList:
    def test_the_newest_number_comes_first(self, desk, people):
        page = desk.open("/addresses/")
        assert [row[1] for row in page.rows] == list(reversed(people))
        assert [row[0] for row in page.rows] == sorted((one.number for one in people.values()), reverse=True)
        assert page.rows[0][3:6] == ["01067", "Dresden", "DE"]

    def test_sorted_by_name_case_does_not_count(self, desk, people):
        page = desk.open(desk.open("/addresses/").link("Name"))
        assert [row[1] for row in page.rows] == [
            "Anna Schmidt",
            "anna Zander",
            "Käthe Müller",
            "Ludwig van Beethoven",
            "Öykü ÖZTÜRK",
        ]
        assert found(desk, sort="-name")[0] == "Öykü ÖZTÜRK"

    @pytest.mark.parametrize(
        ("typed", "names"),
        [
            ("käthe", ["Käthe Müller"]),
            ("ÖZT", ["Öykü ÖZTÜRK"]),
            ("beethoven", ["Ludwig van Beethoven"]),
            ("ANNA", ["Anna Schmidt", "anna Zander"]),
            ("Anna  Schmidt", ["Anna Schmidt"]),
            ("ller", []),
            ("%", []),
        ],
    )
    def test_found_by_the_beginning_of_name_or_surname(self, desk, people, typed, names):
        assert found(desk, q=typed, sort="name") == names

    def test_found_by_its_number(self, desk, people):
        assert found(desk, q=people["Anna Schmidt"].number) == ["Anna Schmidt"]
        assert len(found(desk, q=people["Anna Schmidt"].number[:3])) == 5

    def test_ties_in_the_name_are_walked_through(self, desk):
        desk.take(*(an_order(f"028-{n}", **buyer("Anna Schmidt", n)) for n in range(53)))
        first = desk.open("/addresses/", sort="name")
        second = desk.open(first.one("a", rel="next").attributes["href"])
        assert len({row[0] for row in first.rows + second.rows}) == 53 and len(second.rows) == 3

    def test_an_empty_book_says_how_it_fills(self, desk):
        assert "No address yet" in desk.open("/addresses/").words
        assert "No address matches" in desk.open("/addresses/", q="x").words


class TestOne:
    def test_it_shows_who_it_is_and_the_documents_the_newest_first(self, desk):
        who = buyer("Käthe Müller", email="k@example.com", phone="0351 1", vat_id="DE123")
        desk.take(*(an_order(f"028-{n}", placed_at=EPOCH + timedelta(hours=n), **who) for n in range(3)))
        (address,) = addresses(desk).values()
        page = desk.open(f"/addresses/{address.id}")
        assert page.one("h1").words == f"{address.number} · Käthe Müller"
        grid = page.grid
        assert (grid["City"], grid["Phone"], grid["VAT id"]) == ("01067 Dresden", "0351 1", "DE123")
        assert grid["Buyer at the marketplace"] == "Käthe Müller-0"
        assert [row[1] for row in page.rows] == ["028-2", "028-1", "028-0"]
        document = desk.documents()["028-2"]
        assert page.link(document.number) == f"/documents/{document.id}"
        assert desk.open(f"/documents/{document.id}").link(address.number) == f"/addresses/{address.id}"

    def test_many_documents_are_paged_within_the_address(self, desk):
        desk.take(*(an_order(f"028-{n}", **buyer("Anna")) for n in range(52)))
        (address,) = addresses(desk).values()
        first = desk.open(f"/addresses/{address.id}")
        url = first.one("a", rel="next").attributes["href"]
        assert url.startswith(f"/addresses/{address.id}?after=")
        second = desk.open(url, htmx=True)
        assert len({row[1] for row in first.rows + second.rows}) == 52 and not second.all("h1")

    def test_a_neighbours_is_not_found(self, desk, people, make_tenant, client_of):
        assert client_of(make_tenant()).get(f"/addresses/{people['Anna Schmidt'].id}").status_code == 404
        assert desk.browser.get("/addresses/0").status_code == 404

    def test_hostile_names_are_shown_as_names(self, desk):
        desk.take(an_order("028-1", **buyer("<script>alert(1)</script>")))
        (address,) = addresses(desk).values()
        for path in ("/addresses/", f"/addresses/{address.id}"):
            assert "<script>alert" not in desk.browser.get(path).text

    def test_nobody_sees_it_without_signing_in(self, app):
        assert app.test_client().get("/addresses/").location.startswith("/sign-in")
