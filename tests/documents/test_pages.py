"""The pages of documents: what stands on them, and that it is the truth."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import select

from portal.automation.models import Run
from portal.documents.models import IntakePage, State
from portal.extensions import db
from portal.masterdata.models import TaxCode, TaxRate, TaxSettings
from portal.order import Collection, Component, Party, Status
from portal.shipments.models import MessageState, Shipment
from tests.desk import Desk
from tests.documents.builders import EPOCH, a_line, an_order
from tests.reading import read

FRAGMENT = {"HX-Request": "true"}
ORDER = "028-1234567-1234567"


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def document(desk):
    return desk.document(ORDER)


class TestList:
    def test_htmx_gets_the_list_alone_and_others_the_page(self, desk, document):
        page, fragment = desk.browser.get("/documents/"), desk.browser.get("/documents/", headers=FRAGMENT)
        assert read(page.text).one("h1").words == "Orders & documents"
        assert fragment.text.lstrip().startswith('<div id="list">') and "<h1" not in fragment.text
        assert read(page.text).rows == read(fragment.text).rows

    def test_going_back_in_the_history_gets_the_whole_page(self, desk, document):
        restored = desk.browser.get("/documents/", headers=FRAGMENT | {"HX-History-Restore-Request": "true"})
        assert "<h1" in restored.text

    def test_a_row_says_what_the_document_is(self, desk, document):
        row, *others = desk.open("/documents/").rows
        assert row[:2] == [document.number, ORDER]
        assert (row[3], row[4]) == ("Käthe Müller", "€19.99")
        assert row[6] == "Open" and not others

    def test_what_should_have_left_is_marked(self, desk):
        late = datetime.now(UTC) - timedelta(hours=5)
        desk.document("late", ship_by=late)
        desk.document("theirs", ship_by=late, fulfilled_by="marketplace")
        desk.document("asks", ship_by=None, cancel_requested=True)
        page = desk.open("/documents/")
        by_order = {row[1]: row for row in page.rows}
        assert by_order["late"][5] == "5 hours ago"
        assert by_order["theirs"][5] == "marketplace ships"
        assert by_order["asks"][6] == "Open wants to cancel"
        # One for the late date, one for the wish to cancel.
        assert len(page.all("span", class_="state-attention")) == 2

    def test_without_a_platform_the_first_step_is_shown(self, desk):
        assert "Create one and connect it" in desk.browser.get("/documents/").text

    @pytest.mark.parametrize("path", ["/documents/", "/documents/1", "/documents/1/path", "/documents/ask"])
    def test_nobody_sees_it_without_signing_in(self, app, path):
        answer = app.test_client().get(path)
        assert answer.status_code == 302 and answer.location.startswith("/sign-in")


class TestDetail:
    def test_it_shows_platform_channel_and_reference(self, desk, document):
        page = desk.open(f"/documents/{document.id}")
        assert page.one("h1").words == f"Sales order {document.number}"
        grid = page.grid
        assert grid["Platform"] == "1 · Amazon"
        assert grid["Sales channel"] == "Amazon.de"
        assert grid["Platform reference"] == "amazon-1"
        assert grid["Order number of the marketplace"].startswith(ORDER)
        assert grid["Shipped by"] == "us"

    def test_lines_sum_to_the_total_that_is_shown(self, desk):
        parts = [Component("article", Decimal("5.50")), Component("discount", Decimal("-1.00"))]
        discounted = a_line(2, "5.50", components=parts, total=Decimal("4.50"))
        freight = [Component("shipping", Decimal("4.90"))]
        desk.take(an_order(ORDER, lines=[a_line(1, "10.00", 2), discounted], components=freight))
        page = desk.open(f"/documents/{desk.documents()[ORDER].id}")
        lines = [row for row in page.rows if row[0].isdigit() and row[-1].lstrip("-").startswith("€")]
        assert page.one("tfoot").words == "Total, as at the marketplace €29.40"
        assert sum(Decimal(row[-1].replace("€", "")) for row in lines) == Decimal("29.40")
        assert [row[2] for row in lines] == ["Article 1", "Article 2", "Discount", "Freight"]

    @pytest.mark.parametrize(
        ("country", "postal_code", "says"),
        [
            ("ES", "35001", "Delivered to the Canary Islands: outside of the EU’s VAT area."),
            ("MC", "98000", "Delivered to Monaco: taxed as France."),
            ("GB", "BT1 1AA", "Delivered to Northern Ireland: for goods a part of the EU’s VAT area."),
            ("ES", "28001", ""),
            ("CH", "8001", ""),
        ],
    )
    def test_a_territory_that_decided_the_tax_is_named_on_the_path(self, desk, country, postal_code, says):
        desk.take(an_order("before", delivery=Party(name="K", street="W 1", country=country, postal_code=postal_code)))
        with desk.inside():
            tenant_id = desk.merchant.tenant_id
            code = TaxCode(tenant_id=tenant_id, code="20")
            db.session.add(code)
            db.session.flush()
            rate = {"tax_class": "standard", "valid_from": date(2021, 7, 1), "rate": 20, "tax_code_id": code.id}
            db.session.add_all(TaxRate(tenant_id=tenant_id, country=of, **rate) for of in ("FR", "ES", "XI"))
            settings = db.session.get_one(TaxSettings, tenant_id)
            settings.home_country, settings.one_stop_shop = "DE", True
            db.session.commit()
        desk.take(an_order("behind", delivery=Party(name="K", street="W 1", country=country, postal_code=postal_code)))
        paths = {id: desk.open(f"/documents/{found.id}/path").words for id, found in desk.documents().items()}
        assert "Delivered to" not in paths["before"]  # no tax was computed then
        assert (says in paths["behind"]) if says else ("Delivered to" not in paths["behind"])

    def test_who_it_goes_to(self, desk):
        who = Party(
            name="Anna Schmidt",
            company="Schmidt GmbH",
            street="Weg 1",
            street2="Hof",
            postal_code="1010",
            city="Wien",
            country="AT",
        )
        desk.document(ORDER, delivery=who, purchase_order="PO-77", programs=["PRIME"])
        page = desk.open(f"/documents/{desk.documents()[ORDER].id}")
        assert page.one("address").words == "Anna Schmidt Schmidt GmbH Weg 1 Hof 1010 Wien AT"
        assert (page.grid["Buyer's order number"], page.grid["Programs"]) == ("PO-77", "PRIME")

    def test_a_newer_version_that_is_held_is_said_before_anybody_ships(self, desk):
        desk.take(an_order(ORDER))
        id = desk.documents()[ORDER].id
        assert "is held" not in desk.open(f"/documents/{id}").words
        desk.take(an_order(ORDER, version=2, total=Decimal("1.23")))
        held = desk.held()[ORDER]
        page = desk.open(f"/documents/{id}")
        assert "A newer version of this order is held. Look at it before you ship:" in page.words
        assert f"/held/{held.id}" in [link.attributes["href"] for link in page.all("a")]
        there = desk.open(f"/held/{held.id}")
        assert there.grid["Document of an older version"] == desk.documents()[ORDER].number
        desk.take(an_order(ORDER, version=3))
        assert "is held" not in desk.open(f"/documents/{id}").words

    def test_neighbours_are_one_click_away(self, desk):
        now = datetime.now(UTC)
        first, second, third = (desk.document(f"o{n}", placed_at=now + timedelta(minutes=n)) for n in range(3))
        page = desk.open(f"/documents/{second.id}")
        links = {link.attributes["aria-label"]: link.attributes["href"] for link in page.all("a", class_="btn-icon")}
        assert links == {"Newer document": f"/documents/{third.id}", "Older document": f"/documents/{first.id}"}
        assert len(desk.open(f"/documents/{third.id}").all("a", class_="btn-icon")) == 1

    @pytest.mark.parametrize("id", ["0", "1", str(2**63 - 1), str(2**63), "99999999999999999999999", "x", "-1"])
    def test_what_is_not_ours_is_not_found(self, desk, make_tenant, as_tenant, id):
        assert desk.browser.get(f"/documents/{id}").status_code == 404
        assert desk.browser.get(f"/documents/{id}/path").status_code == 404

    def test_a_neighbours_document_is_not_found(self, client_of, make_tenant, document):
        foreigner = client_of(make_tenant())
        assert foreigner.get(f"/documents/{document.id}").status_code == 404
        assert foreigner.get(f"/documents/{document.id}/path").status_code == 404

    def test_hostile_texts_are_shown_as_texts(self, desk):
        evil = "<script>alert(1)</script>{{ 7*7 }}\u202e'\""
        who = Party(name=evil, street=evil, city=evil, postal_code="1", country="DE")
        desk.document("028-<b>", lines=[a_line(1, title=evil, sku=evil)], buyer=who, delivery=who)
        html = desk.browser.get(f"/documents/{desk.documents()['028-<b>'].id}").text
        assert "<script>alert" not in html and "<b>028" not in html and "&lt;script&gt;alert(1)" in html
        assert "<script>alert" not in desk.browser.get("/documents/").text

    def test_what_the_marketplace_ships_is_never_reported_back(self, desk):
        document = desk.document(ORDER, fulfilled_by="marketplace")
        page = desk.open(f"/documents/{document.id}")
        assert page.grid["Shipped by"] == "the marketplace (never reported back)"
        assert "ships this order from its own warehouse" in page.words
        assert not page.all("form", id="ship")
        steps = [step.words for step in page.one("ol", class_="path").all("li")]
        assert len(steps) == 4 and not any("Confirmed" in step for step in steps)

    def test_what_somebody_shipped_at_the_marketplace_has_come_all_the_way(self, desk):
        document = desk.document(ORDER)
        desk.take(an_order(ORDER, version=60, status=Status.SHIPPED, lines=[a_line()]))
        steps = desk.open(f"/documents/{document.id}").one("ol", class_="path").all("li")
        assert ["reached" in step.attributes["class"] for step in steps] == [True] * 5
        assert all(len(step.words.split()) > 1 for step in steps[-2:])  # with the time of that version


class TestNotices:
    def test_a_change_after_shipping_is_said_at_the_top(self, desk, document):
        desk.parcel(document)
        desk.take(an_order(ORDER, version=60, lines=[a_line(quantity=3)], status=Status.SHIPPED))
        page = desk.open(f"/documents/{document.id}")
        notice = page.one("div", role="alert").words
        assert "changed at the marketplace after shipping had begun" in notice
        assert "see notice" in desk.open("/documents/").rows[0][-1]

    def test_a_wish_to_cancel_is_said_until_it_is_shipped(self, desk, document):
        desk.take(an_order(ORDER, version=60, cancel_requested=True, lines=[a_line()]))
        page = desk.open(f"/documents/{document.id}")
        assert "The buyer wants to cancel" in page.words
        assert "despite_cancellation" in {box.attributes.get("name") for box in page.all("input")}

    def test_a_cancelled_document_says_when_and_cannot_be_shipped(self, desk, document):
        desk.take(an_order(ORDER, version=60, status=Status.CANCELLED))
        page = desk.open(f"/documents/{document.id}")
        assert desk.documents()[ORDER].state == State.CANCELLED
        steps = page.one("ol", class_="path").all("li")
        assert steps[-1].words.startswith("Cancelled") and "ended" in steps[-1].attributes["class"]
        assert "Do not ship it" in page.words and not page.all("form", id="ship")

    def test_a_replacement_leads_to_the_order_it_replaces(self, desk, document):
        new = desk.document("028-2", replaces=ORDER)
        assert desk.open(f"/documents/{new.id}").link(document.number) == f"/documents/{document.id}"
        lost = desk.document("028-3", replaces="028-0000000-0000000")
        assert "This order replaces 028-0000000-0000000" in desk.open(f"/documents/{lost.id}").words


class TestReceipt:
    CALL = Collection(
        id=4711,
        operation="searchOrders",
        request_id="amzn-request-1",
        page=3,
        collected_at=datetime(2026, 11, 1, 12, 5, tzinfo=UTC),
        window_from=datetime(2026, 11, 1, 11, tzinfo=UTC),
        window_to=datetime(2026, 11, 1, 12, tzinfo=UTC),
    )

    @pytest.fixture
    def run(self, desk):
        platform = desk.platform()
        with desk.inside():
            run = Run(tenant_id=platform.tenant_id, platform_id=platform.id, cause="person", attempt=2)
            db.session.add(run)
            db.session.commit()
            db.session.refresh(run)
        return run

    def test_it_answers_why_the_document_exists_and_why_only_once(self, desk, run):
        order = an_order(ORDER)
        desk.take(
            order, collections=[self.CALL], run_id=run.id, attempt=2, worker="host:4242", request_id="cloud-request-9"
        )
        document = desk.documents()[ORDER]
        receipt = desk.open(f"/documents/{document.id}").one("details", class_="card")
        assert "why this document exists, and only once" in receipt.one("summary").words
        grid = receipt.grid
        with desk.inside():
            page_id = db.session.scalars(select(IntakePage.id)).one()
        assert grid == {
            "Marketplace call": "searchOrders",
            "Request id": "amzn-request-1",
            "Page of the window": "3",
            "Window": "Nov 1, 2026, 12:00:00\u202fPM – Nov 1, 2026, 1:00:00\u202fPM".replace("\u202f", " "),
            "Collected": "Nov 1, 2026, 1:05:00 PM",
            "Version of the order": "Nov 1, 2026, 1:01:00 PM",
            "Payload (SHA-256)": hashlib.sha256(msgspec.json.encode(order)).hexdigest(),
            "Fetch": f"{run.id}, attempt 2",
            "Worker": "host:4242",
            "Call to the cloud": "cloud-request-9",
            "Page": f"{page_id}, with 1 orders in one transaction",
            "Written": grid["Written"],
            "Number drawn": document.number,
        }
        assert receipt.link(str(run.id)) == f"/jobs/{run.id}"
        assert desk.browser.get(f"/jobs/{run.id}").status_code == 200

    def test_every_version_that_changed_it_has_one_and_a_repeat_has_none(self, desk, run):
        desk.take(an_order(ORDER), collections=[self.CALL])
        desk.take(an_order(ORDER), collections=[self.CALL])
        desk.take(an_order(ORDER, version=5, lines=[a_line(quantity=2)]), collections=[self.CALL])
        desk.take(an_order(ORDER, version=9, status=Status.CANCELLED), collections=[self.CALL])
        document = desk.documents()[ORDER]
        heads = [head.words for head in desk.open(f"/documents/{document.id}").one("details", class_="card").all("h3")]
        assert [head.partition(" ·")[0] for head in heads] == [
            "Document created",
            "Document changed",
            "Document cancelled",
        ]

    def test_a_cloud_that_left_out_the_window_breaks_nothing(self, desk, run):
        desk.take(an_order(ORDER), collections=[Collection(1, "getOrder", "r", 1, EPOCH)])
        receipt = desk.open(f"/documents/{desk.documents()[ORDER].id}").one("details", class_="card")
        assert receipt.grid["Window"] == "–"

    def test_a_document_made_by_hand_of_a_held_order_names_no_fetch(self, desk, run):
        desk.take(an_order(ORDER), worker="web")
        grid = desk.open(f"/documents/{desk.documents()[ORDER].id}").one("details", class_="card").grid
        assert (grid["Fetch"], grid["Worker"]) == ("–", "web")


def test_the_path_of_an_order_is_told_with_its_times(desk, document):
    def steps():
        return desk.open(f"/documents/{document.id}/path").one("ol").all("li")

    reached = ["reached" in step.attributes["class"] for step in steps()]
    assert reached == [True, True, True, False, False]
    assert "not yet" in steps()[-1].words
    parcel = desk.parcel(document)
    assert ["reached" in step.attributes["class"] for step in steps()] == [True, True, True, True, False]
    with desk.inside():
        reported = db.session.get_one(Shipment, parcel.id)
        reported.state, reported.confirmed_at = MessageState.CONFIRMED, datetime.now(UTC)
        db.session.commit()
    assert ["reached" in step.attributes["class"] for step in steps()] == [True] * 5
