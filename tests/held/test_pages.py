"""Held orders: why they wait, what came, and how they are tried again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

from portal.documents import intake
from portal.documents.models import HeldOrder
from portal.extensions import db
from portal.held import listing
from portal.held.views import LONGEST_PAYLOAD, readable
from portal.order import Status
from portal.platforms.models import Platform
from portal.sentences import say
from portal.tenants.models import Role, User
from tests.desk import Desk
from tests.documents.builders import a_line, an_order, planned

ORDER = "028-1234567-1234567"


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def put_aside(desk, *orders):
    """The database refused these orders, for a reason that has passed."""
    if not desk.documents() and not desk.held():
        desk.platform()
    with desk.inside():
        source = intake.source_of(db.session.scalars(select(Platform)).one())
        intake.write_page(source, planned(source, *orders, refused="The database refused this order."), [])
        db.session.commit()


class TestRemoval:
    def test_what_is_settled_otherwise_is_removed_and_a_newer_version_looked_at_anew(self, desk):
        desk.take(an_order("028-1", total=None))
        (held,) = desk.held().values()
        form = desk.open(f"/held/{held.id}").one("form", action=f"/held/{held.id}/removal").fields
        page = desk.do(f"/held/{held.id}/removal", **form)
        assert "Order 028-1 is held no more" in page.words
        assert not desk.held() and not desk.documents()
        desk.take(an_order("028-1", version=2, total=None))
        assert list(desk.held()) == ["028-1"]
        desk.take(an_order("028-1", version=3))
        assert list(desk.documents()) == ["028-1"]

    def test_a_version_that_nobody_has_looked_at_stays(self, desk):
        desk.take(an_order("028-1", total=None))
        (held,) = desk.held().values()
        form = desk.open(f"/held/{held.id}").one("form", action=f"/held/{held.id}/removal").fields
        desk.take(an_order("028-1", version=2, lines=[]))
        page = desk.do(f"/held/{held.id}/removal", **form)
        assert "Another version of order 028-1 has come meanwhile" in page.words and "No articles" in page.words
        assert desk.held()

    def test_many_are_ticked(self, desk):
        desk.take(*(an_order(f"028-{number}", total=None) for number in range(3)))
        ids = [row.id for row in desk.held().values()][:2]
        page = desk.send("/held/selection", 200, action="remove", id=ids)
        assert "settled otherwise" in page.words
        desk.do("/held/selection", action="remove", seen="1", id=ids)
        assert len(desk.held()) == 1

    def test_clerks_may_not(self, desk):
        desk.take(an_order("028-1", total=None))
        (held,) = desk.held().values()
        with desk.inside():
            db.session.get_one(User, desk.merchant.user_id).role = Role.CLERK
            db.session.commit()
        assert desk.browser.post(f"/held/{held.id}/removal").status_code == 403
        assert "Remove" not in desk.open(f"/held/{held.id}").words
        assert "Remove" not in desk.open("/held/").words
        assert desk.held()


class TestList:
    def test_each_says_why_it_is_held(self, desk):
        desk.take(an_order("028-1", total=None), an_order("028-2", lines=[]), an_order("028-3", total=Decimal("1.00")))
        rows = {row[0]: row for row in desk.open("/held/").rows}
        assert set(rows) == {"028-1", "028-2", "028-3"}
        assert rows["028-1"][1] == "No total"
        assert rows["028-2"][1:3] == ["No articles", "The order has no articles."]
        assert rows["028-3"][1] == "Amounts differ"
        assert rows["028-3"][2].startswith(
            "The lines sum to €19.99, the marketplace says €1.00: a difference of -€18.99."
        )
        assert {row[5] for row in rows.values()} == {"0"}

    def test_every_cause_and_component_has_its_words(self, desk):
        known = {"total", "line_total", "amount", "no_total", "currency", "no_lines", "quantity", "no_address"}
        known |= {"unknown_sku", "tax", "no_tax_rate", "resold", "unreadable", "refused", "numbers"}
        assert known == set(listing.CAUSES)

    def test_an_order_is_found_by_its_number(self, desk):
        desk.take(an_order("028-1", total=None), an_order("028-2", total=None))
        assert [row[0] for row in desk.open("/held/", q=" 028-2 ").rows] == ["028-2"]
        assert "No held order matches" in desk.open("/held/", q="028").words

    def test_more_than_a_page_is_walked_by_its_links(self, desk):
        desk.take(*(an_order(f"028-{n}", total=None) for n in range(53)))
        first = desk.open("/held/")
        assert "50 of 53" in first.words
        second = desk.open(first.one("a", rel="next").attributes["href"], htmx=True)
        assert len({row[0] for row in first.rows + second.rows}) == 53
        assert second.one("a", rel="prev")

    def test_nothing_held_is_good_news_and_offers_no_button(self, desk):
        page = desk.open("/held/")
        assert "Nothing is held" in page.words and "Try all again" not in page.words

    def test_the_frame_counts_them(self, desk):
        desk.take(*(an_order(f"028-{n}", total=None) for n in range(3)))
        needs = desk.open("/documents/").all("span", class_="needs")
        assert [one.words for one in needs] == ["3 to look after", "1 to look after"]  # and a platform to connect


class TestOne:
    def test_it_shows_the_reason_and_what_came(self, desk):
        desk.take(an_order(ORDER, total=Decimal("1.00")))
        held = desk.held()[ORDER]
        page = desk.open(f"/held/{held.id}")
        assert page.one("h1").words == f"Held order {ORDER}"
        assert "The lines sum to €19.99, the marketplace says €1.00" in page.one("div", role="alert").words
        assert '"id": "028-1234567-1234567"' in page.one("pre").words
        assert page.grid["Tried again"] == "0"

    def test_what_differs_is_named(self, desk):
        desk.take(an_order(ORDER, lines=[a_line(total=Decimal("5.00"))]))
        held = desk.held()[ORDER]
        page = desk.open(f"/held/{held.id}")
        if held.component:
            assert page.grid["What differs"] == str(listing.COMPONENTS[held.component])

    def test_hostile_payloads_are_shown_as_text(self, desk):
        evil = "</pre><script>alert(1)</script>{{ 7*7 }}"
        order = an_order("<img src=x>", status=Status.UNREADABLE, problem=evil, raw=evil, lines=[])
        desk.take(order)
        held = desk.held()["<img src=x>"]
        for path in ("/held/", f"/held/{held.id}"):
            html = desk.browser.get(path).text
            assert "<script>alert" not in html and "<img src=x>" not in html and "{{ 7*7 }}" in html
        assert "</pre><script>alert(1)</script>" in desk.open(f"/held/{held.id}").one("pre").words

    @pytest.mark.usefixtures("uncollected")
    @pytest.mark.parametrize("payload", [b"", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":', b"NaN", b'"\\ud800"'])
    def test_any_payload_can_be_read(self, desk, payload):
        desk.take(an_order(ORDER, total=None))
        with desk.inside():
            held = db.session.scalars(select(HeldOrder)).one()
            held.payload = payload
            db.session.commit()
            id = held.id
        assert desk.browser.get(f"/held/{id}").status_code == 200

    def test_a_very_long_payload_is_cut(self):
        assert len(readable(b"x" * 3_000_000)) == LONGEST_PAYLOAD + 2
        assert readable('{"a":"ä"}'.encode()) == '{\n  "a": "ä"\n}'

    def test_a_neighbours_is_not_found(self, desk, make_tenant, client_of):
        desk.take(an_order(ORDER, total=None))
        held = desk.held()[ORDER]
        neighbour = client_of(make_tenant())
        assert neighbour.get(f"/held/{held.id}").status_code == 404
        assert neighbour.post(f"/held/{held.id}/retry").status_code == 404
        assert desk.held()[ORDER].retries == 0


class TestRetry:
    def test_it_becomes_a_document(self, desk):
        put_aside(desk, an_order(ORDER))
        page = desk.do(f"/held/{desk.held()[ORDER].id}/retry")
        document = desk.documents()[ORDER]
        assert page.one("h1").words == f"Sales order {document.number}"
        assert f"Order {ORDER} is a document now." in page.words
        assert desk.held() == {}

    def test_it_is_held_still_and_says_so(self, desk):
        desk.take(an_order(ORDER, total=None))
        held = desk.held()[ORDER]
        page = desk.do(f"/held/{held.id}/retry")
        assert f"Order {ORDER} is held still: {say(held.reason)}" in page.words
        assert page.grid["Tried again"] == "1"
        assert desk.documents() == {}

    def test_it_is_no_longer_wanted(self, desk):
        put_aside(desk, an_order(ORDER, status=Status.CANCELLED))
        page = desk.do(f"/held/{desk.held()[ORDER].id}/retry")
        assert "no longer wanted" in page.words
        assert desk.held() == {} == desk.documents()

    def test_a_payload_that_makes_no_sense_stays_held(self, desk):
        desk.take(an_order(ORDER, total=None))
        with desk.inside():
            held = db.session.scalars(select(HeldOrder)).one()
            held.payload = b"\xff no JSON"
            db.session.commit()
        page = desk.do(f"/held/{desk.held()[ORDER].id}/retry")
        assert "is held still" in page.words and ORDER in desk.held()

    def test_all_are_tried_and_one_bad_order_costs_only_itself(self, desk):
        put_aside(desk, an_order("028-1"), an_order("028-2"), an_order("028-3", total=None))
        page = desk.do("/held/retry")
        assert "2 orders are documents now; 1 is held still." in page.words
        assert set(desk.documents()) == {"028-1", "028-2"}
        assert {id: order.retries for id, order in desk.held().items()} == {"028-3": 1}

    def test_twice_makes_no_second_document(self, desk):
        put_aside(desk, an_order(ORDER))
        id = desk.held()[ORDER].id
        desk.do(f"/held/{id}/retry")
        assert desk.browser.post(f"/held/{id}/retry").status_code == 404
        assert len(desk.documents()) == 1

    def test_with_nothing_held_it_says_so(self, desk):
        assert "0 orders are documents now; 0 are held still." in desk.do("/held/retry").words
