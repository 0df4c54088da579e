"""The list of documents shows just what its URL says, in the order it says."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

from portal.documents import listing
from portal.documents.models import Document
from portal.extensions import db
from portal.order import Party, Status
from portal.platforms.models import DocumentType, Platform
from portal.shipments import service as shipping
from tests.documents import builders
from tests.documents.builders import EPOCH, a_line, an_order
from tests.reading import read
from tests.shipments.builders import a_carrier, a_platform

FRAGMENT = {"HX-Request": "true"}
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def browser(client_of, merchant):
    return client_of(merchant)


@pytest.fixture
def take(as_tenant, merchant):
    """Orders become documents of a platform, as intake makes them."""

    def write(*orders, platform="Amazon"):
        with as_tenant(merchant):
            found = db.session.scalars(select(Platform).where(Platform.name == platform)).first()
            found = found or a_platform(merchant, platform, f"reference of {platform}")
            builders.write(found, *orders)
            return found.id

    return write


@pytest.fixture
def shown(browser):
    """The order ids that the list shows under a URL."""

    def show(**query):
        answer = browser.get("/documents/", query_string=query, headers=FRAGMENT)
        assert answer.status_code == 200
        return [row[1] for row in read(answer.text).rows]

    return show


def placed(id, minutes=0, **changes):
    return an_order(id, placed_at=EPOCH + timedelta(minutes=minutes), **changes)


class TestFilters:
    @pytest.fixture(autouse=True)
    def documents(self, take):
        take(
            placed("open", 1),
            placed("partly", 2, status=Status.PARTLY_SHIPPED, lines=[a_line(quantity=2, shipped=1)]),
            placed("shipped", 3, status=Status.SHIPPED),
            placed("theirs", 4, fulfilled_by="marketplace"),
            placed("cancelled", 5),
        )
        take(placed("cancelled", 5, version=2, status=Status.CANCELLED))
        self.other = take(placed("other", 6), platform="Amazon Polska")

    def test_without_a_filter_everything_is_shown_the_newest_first(self, shown):
        assert shown() == ["other", "cancelled", "theirs", "shipped", "partly", "open"]

    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            ("open", ["other", "theirs", "open"]),
            ("partly_shipped", ["partly"]),
            ("shipped", ["shipped"]),
            ("cancelled", ["cancelled"]),
            ("to_ship", ["open", "partly", "other"]),  # all to be shipped by the same day
            ("nonsense", ["other", "cancelled", "theirs", "shipped", "partly", "open"]),
        ],
    )
    def test_state(self, shown, state, expected):
        assert shown(state=state) == expected

    def test_platform(self, shown):
        assert shown(platform=str(self.other)) == ["other"]
        assert len(shown(platform="2147483647")) == 6  # not a platform of this tenant: as if not said

    @pytest.mark.parametrize(("by", "expected"), [("marketplace", ["theirs"]), ("merchant", 5)])
    def test_who_ships(self, shown, by, expected):
        found = shown(fulfilled_by=by)
        assert found == expected or len(found) == expected

    def test_type(self, take, shown, browser, as_tenant, merchant):
        """It is asked for, and a column says it, once there is more than one."""
        assert not read(browser.get("/documents/").text).all("select", id="type")
        with as_tenant(merchant):
            db.session.get_one(Platform, self.other).document_type = DocumentType.INVOICE
            db.session.commit()
        take(placed("billed", 7), placed("other", 6, version=2), platform="Amazon Polska")
        with as_tenant(merchant):
            db.session.get_one(Platform, self.other).document_type = DocumentType.ORDER
            db.session.commit()
        page = read(browser.get("/documents/?type=invoice").text)
        assert page.fields["type"] == "invoice" and "Document type: Invoice" in page.words
        assert [row[:3] for row in page.rows] == [["R0000001", "Invoice", "billed"]]
        for query in ({"state": "to_ship"}, {"q": "Müller"}, {"sort": "-number"}, {"since": "2026-11-01"}):
            found = browser.get("/documents/", query_string=query | {"type": "invoice"}, headers=FRAGMENT).text
            assert [row[2] for row in read(found).rows] == ["billed"], query
        assert shown(type="nonsense") == ["Invoice", *["Sales order"] * 6]

    def test_filters_add_up(self, shown):
        assert shown(state="open", fulfilled_by="merchant", platform=str(self.other)) == ["other"]
        assert shown(state="open", fulfilled_by="marketplace", platform=str(self.other)) == []
        assert shown(state="to_ship", fulfilled_by="marketplace") == []
        assert shown(state="to_ship", fulfilled_by="merchant", sort="-date") == ["other", "partly", "open"]
        assert shown(q="Müller", state="to_ship", fulfilled_by="merchant", sort="date") == ["open", "partly", "other"]
        assert shown(q="Müller", state="cancelled") == ["cancelled"]
        assert shown(q="Müller", fulfilled_by="marketplace", platform=str(self.other)) == []

    def test_how_many_there_are_is_said_of_the_filtered_list(self, browser):
        for query, number in (("", 6), ("state=to_ship", 3), ("q=Müller&state=open", 3), ("since=2026-11-01", 6)):
            assert f"{number} of {number}" in browser.get(f"/documents/?{query}").text

    def test_the_url_holds_the_state_of_the_page(self, browser):
        query = {"q": "Müller", "state": "open", "fulfilled_by": "merchant", "since": "2026-11-01", "sort": "-number"}
        page = read(browser.get("/documents/", query_string=query | {"platform": str(self.other)}).text)
        fields = page.fields
        assert query | {"platform": str(self.other), "until": ""} == {
            name: fields[name] for name in (*query, "platform", "until")
        }
        chips = [chip.words for chip in page.all("a", class_="chip")]
        assert chips == [
            "Search: Müller",
            "State: Open",
            "Platform: Amazon Polska",
            "Shipped: By us",
            "From: Nov 1, 2026",
            "Clear all",
        ]
        without_state = page.all("a", class_="chip")[1].attributes["href"]
        assert "state" not in without_state and "sort=-number" in without_state and "fulfilled_by" in without_state

    def test_a_list_that_shows_nothing_says_why_and_what_to_do(self, browser):
        page = read(browser.get("/documents/?state=open&q=nobody").text)
        assert "No document matches" in page.words
        assert page.link("Clear all") == "/documents/"

    def test_a_neighbour_sees_nothing_of_it(self, make_tenant, client_of):
        page = client_of(make_tenant()).get(f"/documents/?platform={self.other}").text
        assert "No document yet" in page and "028-" not in page


class TestOrder:
    @pytest.fixture
    def expected(self, take):
        """Sixty documents on two platforms with ties in every respect, in random order; two pages of a list."""
        chance = random.Random(7)
        orders = [
            placed(
                f"order-{number:02}",
                number // 4,
                ship_by=None if number % 10 == 0 else EPOCH + timedelta(days=number % 3),
                lines=[a_line(price=f"{number}.00")],
            )
            for number in range(1, 61)
        ]
        chance.shuffle(orders)
        take(*orders[:35])
        take(*orders[35:], platform="Amazon Polska")
        return orders

    def walked(self, browser, **query):
        url, seen = browser.get("/documents/", query_string=query), []
        while True:
            page = read(url.text)
            seen += [(row[1], row[0]) for row in page.rows]
            following = page.all("a", rel="next")
            if not following:
                return seen
            url = browser.get(following[0].attributes["href"])

    @pytest.mark.parametrize("filters", [{}, {"state": "open"}, {"state": "to_ship"}, {"q": "Müller"}])
    @pytest.mark.parametrize("sort", ["date", "-date", "number", "-number", "ship_by", "-ship_by"])
    def test_every_order_shows_each_document_once(self, browser, as_tenant, merchant, expected, filters, sort):
        with as_tenant(merchant):
            documents = db.session.scalars(select(Document)).all()
        possible = sort.removeprefix("-") != "ship_by" or filters.get("state") == "to_ship" or "q" in filters
        name = sort.removeprefix("-") if possible else "date"
        key = {
            "date": lambda one: (one.ordered_at, one.id),
            "number": lambda one: one.number,
            "ship_by": lambda one: (one.ship_by or listing.NO_SHIP_DATE, one.id),
        }[name]
        falls = sort.startswith("-") if possible else True
        in_order = [one.order_id for one in sorted(documents, key=key, reverse=falls)]
        assert [order_id for order_id, _ in self.walked(browser, sort=sort, **filters)] == in_order

    def test_to_ship_begins_with_what_is_due_first_and_ends_with_what_has_no_date(self, browser, expected):
        seen = [order_id for order_id, _ in self.walked(browser, state="to_ship")]
        assert {int(id[-2:]) % 10 for id in seen[-6:]} == {0}
        assert {int(id[-2:]) % 3 for id in seen[:10]} == {0}

    def test_the_heads_of_the_columns_offer_what_is_possible(self, browser, take):
        take(placed("one"))
        page = read(browser.get("/documents/").text)
        assert page.link("Ordered") == "/documents/?sort=date"
        assert page.all("th", aria_sort="descending")[0].words == "Ordered"
        assert not [head for head in page.all("th") if head.words == "Ship by" and head.links]
        to_ship = read(browser.get("/documents/?state=to_ship").text)
        assert to_ship.link("Ship by") == "/documents/?state=to_ship&sort=-ship_by"
        dated = read(browser.get("/documents/?since=2026-10-01&sort=number").text)
        assert not [head for head in dated.all("th") if head.words == "Document" and head.links]


class TestSearch:
    @pytest.fixture(autouse=True)
    def documents(self, take, as_tenant, merchant):
        def party(name):
            return Party(name=name, street="Weg 1", postal_code="1", city="Köln", country="DE")

        for number, name in enumerate(("Käthe Müller", "Jean-Luc  Picard", "Ayşe ÖZTÜRK", "Ludwig van Beethoven"), 1):
            who = party(name)
            take(placed(f"028-000000{number}-1111111", number, buyer=who, delivery=who, buyer_reference=name))
        with as_tenant(merchant):
            documents = db.session.scalars(select(Document).order_by(Document.ordered_at)).all()
            self.numbers = [document.number for document in documents]
            shipping.ship(documents[0], a_carrier(), "jjd 0003 9000 7882", datetime.now(UTC), {1: 1})
            db.session.commit()

    @pytest.mark.parametrize(
        ("typed", "number"),
        [
            ("028-0000003-1111111", 3),
            ("  028-0000003-1111111 ", 3),
            ("Käthe", 1),
            ("käthe müller", 1),
            ("KÄTHE   MÜLLER", 1),
            ("Ka\u0308the", 1),  # the umlaut as two characters, as some phones send it
            ("Müll", 1),
            ("Öztürk", 3),
            ("Jean-Luc Pic", 2),
            ("picard", 2),
            ("beethoven", 4),
            ("jjd000390007882", 1),
            ("jjd 0003 9000 7882", 1),
        ],
    )
    def test_what_is_found(self, shown, typed, number):
        assert shown(q=typed) == [f"028-000000{number}-1111111"]

    def test_the_documents_number_or_its_beginning(self, shown):
        assert shown(q=self.numbers[1]) == ["028-0000002-1111111"]
        assert shown(q=self.numbers[1].lower()) == ["028-0000002-1111111"]
        assert len(shown(q=self.numbers[1][:2])) == 4

    @pytest.mark.parametrize("typed", ["028-0000003", "üller", "%", "Käthe_", "0000003-1111111", "Weg"])
    def test_what_is_not_found(self, shown, typed):
        assert shown(q=typed) == []

    def test_more_matches_than_are_looked_at_are_said(self, browser, take):
        buyer = Party(name="Viola Viel", street="Weg 2", postal_code="1", city="Köln", country="DE")
        take(*(placed(f"many-{n}", n, buyer=buyer, delivery=buyer, buyer_reference=f"b{n}") for n in range(101)))
        assert "More match than are shown" in browser.get("/documents/?q=viel").text
        assert "More match than are shown" not in browser.get("/documents/?q=beethoven").text


class TestDays:
    @pytest.mark.parametrize(
        ("zone", "day", "first", "last"),
        [
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T21:59:59.999999"),  # 23 hours
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T22:59:59.999999"),  # 25 hours
            ("America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T02:59:59.999999"),  # has no midnight
            ("Pacific/Kiritimati", "2026-11-01", "2026-10-31T10:00", "2026-11-01T09:59:59.999999"),
        ],
    )
    def test_a_day_is_a_day_where_the_tenant_is(self, make_tenant, client_of, as_tenant, zone, day, first, last):
        merchant = make_tenant(time_zone=zone)
        moments = [datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in (first, last)]
        instant = timedelta(microseconds=1)
        with as_tenant(merchant):
            platform = a_platform(merchant)
            orders = [
                an_order(name, placed_at=at)
                for name, at in (
                    ("before", moments[0] - instant),
                    ("first", moments[0]),
                    ("last", moments[1]),
                    ("after", moments[1] + instant),
                )
            ]
            builders.write(platform, *orders)
        browser = client_of(merchant)

        def shown(**query):
            return [row[1] for row in read(browser.get("/documents/", query_string=query).text).rows]

        assert shown(since=day, until=day) == ["last", "first"]
        assert shown(since=day) == ["after", "last", "first"]
        assert shown(until=day) == ["last", "first", "before"]
        assert shown(since=day, until=day, state="open") == ["last", "first"]
        assert shown(since=day, until=day, q="Müller", sort="date") == ["first", "last"]
        assert shown(since=day, until="2020-01-01") == []
        assert "2 of 2" in browser.get(f"/documents/?since={day}&until={day}&state=open").text

    @given(
        st.sampled_from(
            [
                "Europe/Berlin",
                "America/Santiago",
                "America/Havana",
                "Africa/Cairo",
                "Australia/Lord_Howe",
                "Asia/Kolkata",
            ]
        ),
        st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    )
    @example("America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC))
    @example("America/Havana", datetime(2026, 11, 1, 4, 30, tzinfo=UTC))
    @example("Europe/Berlin", datetime(2026, 10, 25, 22, 59, tzinfo=UTC))
    def test_each_moment_lies_in_its_day_and_in_no_other(self, name, moment):
        zone = ZoneInfo(name)
        day = moment.astimezone(zone).date()
        assert listing.start_of(day, zone) <= moment < listing.start_of(day + timedelta(1), zone)

    @pytest.mark.parametrize("typed", ["1989-12-31", "2201-01-01", "9999-12-31", "0001-01-01", "yesterday"])
    def test_days_that_no_order_bears_are_left_out(self, browser, take, typed):
        take(placed("one"))
        page = read(browser.get(f"/documents/?since={typed}&until={typed}").text)
        assert [row[1] for row in page.rows] == ["one"]
        assert page.fields["since"] == ""

    def test_the_last_day_that_may_be_asked_for(self, browser, take):
        take(placed("one"))
        assert browser.get("/documents/?until=2200-12-31&since=1990-01-01").status_code == 200


def test_a_view_of_everything_is_what_no_filter_says():
    assert listing.wanted_of({}).is_everything
    assert not listing.wanted_of({"since": date(2026, 1, 1)}).is_everything


def test_a_count_stops_where_it_is_told_to(as_tenant, merchant, take):
    take(*(placed(f"order-{n}", n) for n in range(5)))
    with as_tenant(merchant):
        ids = list(db.session.scalars(select(Document.platform_id).distinct()))
        for wanted in (listing.Wanted(), listing.Wanted(state="to_ship"), listing.Wanted(state="open")):
            assert listing.count(wanted, BERLIN, ids, most=5) == 5
            assert listing.count(wanted, BERLIN, ids, most=4) is None
