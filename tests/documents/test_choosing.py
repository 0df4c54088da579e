"""What an order is given: articles by rule and table, payment and shipping by words, whose address."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from portal.addresses import service
from portal.addresses.models import Address
from portal.addresses.numbers import Numbering
from portal.documents.models import Document
from portal.documents.plan import Articles, Held, Settings, plan
from portal.extensions import db
from portal.masterdata.models import Article, PaymentMethod, PaymentTerms, ShippingMethod, TaxClass
from portal.order import Party, Status
from portal.platforms import creation
from portal.platforms.models import (
    AddressRole,
    ArticleAssignment,
    ArticleRule,
    DocumentType,
    Platform,
    RemoteKind,
    RemoteValue,
    UnknownSku,
)
from tests.desk import Desk
from tests.documents.builders import a_line, an_order

BERLIN = ZoneInfo("Europe/Berlin")
KNOWN = {"A-1": TaxClass.STANDARD, "SHOP-A-1": TaxClass.STANDARD}


def numbers(articles, *skus):
    order = an_order(lines=[a_line(place, sku=sku) for place, sku in enumerate(skus)])
    outcome = plan(order, Settings(BERLIN, articles=articles))
    return outcome.cause if isinstance(outcome, Held) else [line.article_number for line in outcome.lines]


class TestArticles:
    @pytest.mark.parametrize(
        ("rule", "sku", "number"),
        [
            (ArticleRule.SAME, "A-1", "A-1"),
            (ArticleRule.SAME, "SHOP-A-1", "SHOP-A-1"),
            (ArticleRule.STRIP_PREFIX, "SHOP-A-1", "A-1"),
            (ArticleRule.STRIP_PREFIX, "A-1", "A-1"),
            (ArticleRule.STRIP_PREFIX, "X-A-1", None),
            (ArticleRule.TABLE, "A-1", None),
            (ArticleRule.TABLE, "assigned", "A-1"),
            (ArticleRule.SAME, "assigned", "A-1"),
            (ArticleRule.SAME, "a-1", None),
            (ArticleRule.SAME, "", None),
        ],
    )
    def test_rule_and_table(self, rule, sku, number):
        articles = Articles(rule, "SHOP-", UnknownSku.HOLD, KNOWN, {"assigned": "A-1"})
        assert numbers(articles, sku) == ("unknown_sku" if number is None else [number])

    def test_the_table_comes_before_the_rule(self):
        assert numbers(Articles(ArticleRule.SAME, classes=KNOWN, assigned={"A-1": "SHOP-A-1"}), "A-1") == ["SHOP-A-1"]

    def test_an_unknown_sku_makes_a_line_under_its_own_name(self):
        assert numbers(Articles(ArticleRule.TABLE, classes=KNOWN), "Neu 7", "A-1") == ["Neu 7", "A-1"]

    def test_one_that_is_held_is_named(self):
        articles = Articles(unknown=UnknownSku.HOLD, classes=KNOWN)
        held = plan(an_order(lines=[a_line(1, sku="A-1"), a_line(2, sku="X-9")]), Settings(BERLIN, articles=articles))
        assert held.reason == "There is no article for the SKU “X-9”."


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def platform(desk):
    return desk.platform()


def change(desk, platform, **values):
    with desk.inside():
        found = db.session.get_one(Platform, platform.id)
        for name, value in values.items():
            setattr(found, name, value)
        db.session.commit()


def words(desk):
    with desk.inside():
        return {
            (value.kind.value, value.value): (value.is_new, value.order_id)
            for value in db.session.scalars(select(RemoteValue))
        }


class TestWords:
    def test_a_word_never_seen_is_listed_with_the_order_that_brought_it(self, desk, platform):
        desk.take(
            an_order("028-1", payment_kind="Invoice", shipping_level="NEXT_DAY"),
            an_order("028-2", payment_kind="Invoice", shipping_level="STANDARD"),
        )
        desk.take(an_order("028-3", shipping_level="STANDARD"))
        assert words(desk) == {
            ("payment", "Invoice"): (True, "028-1"),
            ("shipping", "NEXT_DAY"): (True, "028-1"),
            ("shipping", "STANDARD"): (True, "028-2"),
        }

    def test_what_is_mapped_overrides_the_standard(self, desk, platform):
        with desk.inside():
            found = db.session.get_one(Platform, platform.id)
            invoice = PaymentMethod(tenant_id=found.tenant_id, name="Invoice, 30 days")
            express = ShippingMethod(tenant_id=found.tenant_id, name="Express")
            standard = ShippingMethod(tenant_id=found.tenant_id, name="Parcel")
            db.session.add_all([invoice, express, standard])
            db.session.flush()
            invoiced, hurried, usual = invoice.id, express.id, standard.id
            found.shipping_method_id = usual
            creation.add_values(found, RemoteKind.PAYMENT, ["Invoice"])
            creation.add_values(found, RemoteKind.SHIPPING, ["NEXT_DAY"])
            ids = {value.value: value.id for value in creation.remote_values(found)}
            creation.map_values(found, {ids["Invoice"]: invoiced, ids["NEXT_DAY"]: hurried})
            db.session.commit()
        desk.take(
            an_order("028-1", payment_kind="Invoice", shipping_level="NEXT_DAY"),
            an_order("028-2", payment_kind="CreditCard", shipping_level="STANDARD"),
        )
        one, two = desk.documents()["028-1"], desk.documents()["028-2"]
        assert (one.payment_method_id, one.shipping_method_id) == (invoiced, hurried)
        assert (one.payment_kind, one.shipping_level) == ("Invoice", "NEXT_DAY")
        assert (two.payment_method_id, two.shipping_method_id) == (None, usual)
        page = desk.open(f"/documents/{one.id}")
        assert page.grid["Shipping method"] == "Express (NEXT_DAY)"
        assert page.grid["Payment method"] == "Invoice, 30 days (Invoice)"

    def test_what_a_newer_version_asks_for_reaches_the_document(self, desk, platform):
        with desk.inside():
            found = db.session.get_one(Platform, platform.id)
            express = ShippingMethod(tenant_id=found.tenant_id, name="Express")
            db.session.add(express)
            db.session.flush()
            hurried = express.id
            creation.add_values(found, RemoteKind.SHIPPING, ["NEXT_DAY"])
            creation.map_values(found, {value.id: hurried for value in creation.remote_values(found)})
            db.session.commit()
        order = {"programs": ["PRIME"], "purchase_order": "PO-1", "shipping_level": "STANDARD"}
        desk.take(an_order("028-1", **order))
        later = {"programs": ["FBM_SHIP_PLUS"], "purchase_order": "PO-2", "shipping_level": "NEXT_DAY"}
        desk.take(an_order("028-1", 2, **later))

        def words():
            now = desk.documents()["028-1"]
            return now.programs, now.purchase_order, now.shipping_level, now.shipping_method_id

        assert words() == (["FBM_SHIP_PLUS"], "PO-2", "NEXT_DAY", hurried)
        desk.take(an_order("028-1", 3, status=Status.PENDING))
        assert words() == (["FBM_SHIP_PLUS"], "PO-2", "NEXT_DAY", hurried)
        # What is no longer told stays, but programs: of those the marketplace tells all it is in.
        desk.take(an_order("028-1", 4))
        assert words() == ([], "PO-2", "NEXT_DAY", hurried)
        # A level of which we do not know what it means here is not what the one before meant.
        desk.take(an_order("028-1", 5, shipping_level="SCHEDULED"))
        assert words() == ([], "PO-2", "SCHEDULED", None)
        # What has left the house stays, but for who reports what of it has not.
        desk.parcel(desk.documents()["028-1"])
        desk.take(an_order("028-1", 6, status=Status.SHIPPED, **later))
        assert words() == (["FBM_SHIP_PLUS"], "PO-2", "SCHEDULED", None)
        desk.take(an_order("028-1", 7, status=Status.CANCELLED, programs=["PRIME"]))
        assert words() == (["FBM_SHIP_PLUS"], "PO-2", "SCHEDULED", None)

    def test_new_words_of_newer_versions_are_listed_too(self, desk, platform):
        desk.take(*(an_order(id, shipping_level="SECOND_DAY") for id in ("028-1", "028-2")))
        desk.take(an_order("028-2", 2, shipping_level="SAME_DAY"))
        with desk.inside():
            new = {value.value: value.order_id for value in db.session.scalars(select(RemoteValue)) if value.is_new}
        assert new == {"SECOND_DAY": "028-1", "SAME_DAY": "028-2"}

    def test_an_invoice_keeps_its_order_number_and_learns_how_it_is_to_be_shipped(self, desk, platform):
        with desk.inside():
            db.session.get_one(Platform, platform.id).document_type = DocumentType.INVOICE
            db.session.commit()
        desk.take(an_order("028-1", purchase_order="PO-1", shipping_level="STANDARD"))
        desk.take(an_order("028-1", 2, purchase_order="PO-2", shipping_level="NEXT_DAY", programs=["PRIME"]))
        now = desk.documents()["028-1"]
        assert (now.purchase_order, now.shipping_level, now.programs) == ("PO-1", "NEXT_DAY", ["PRIME"])

    def test_a_setting_changed_since_then_does_not_touch_the_same_level(self, desk, platform):
        desk.take(an_order("028-1", shipping_level="STANDARD"))
        with desk.inside():
            found = db.session.get_one(Platform, platform.id)
            since = ShippingMethod(tenant_id=found.tenant_id, name="Parcel")
            db.session.add(since)
            db.session.flush()
            found.shipping_method_id = since.id
            db.session.commit()
        desk.take(an_order("028-1", 2, shipping_level="STANDARD", lines=[a_line(quantity=2)]))
        assert desk.documents()["028-1"].shipping_method_id is None


class TestAddresses:
    def test_a_collective_address_takes_every_buyers_place(self, desk, platform):
        desk.take(an_order("first"))
        number = desk.documents()["first"].address_id
        with desk.inside():
            found = db.session.get_one(Platform, platform.id)
            address = db.session.scalars(select(Document)).one().address
            creation.let_stand_in(found, AddressRole.COLLECTIVE, address.number)
            db.session.commit()
        desk.take(*(an_order(f"028-{n}") for n in range(3)))
        assert {document.address_id for document in desk.documents().values()} == {number}

    def test_what_the_marketplace_resells_is_held_until_its_address_is_known(self, desk, platform):
        resold = an_order("028-1", is_resold=True, buyer=Party(name="Käthe"))
        desk.take(an_order("first"), resold)
        assert desk.held()["028-1"].cause == "resold"
        with desk.inside():
            found = db.session.get_one(Platform, platform.id)
            address = db.session.scalars(select(Document)).one().address
            creation.let_stand_in(found, AddressRole.MARKETPLACE, address.number)
            db.session.commit()
        desk.do(f"/held/{desk.held()['028-1'].id}/retry")
        documents = desk.documents()
        assert documents["028-1"].address_id == documents["first"].address_id
        assert documents["028-1"].delivery["name"] == "Käthe Müller"  # where the parcel goes


def test_guests_get_their_own_status_numbers_and_payment_terms(desk, platform):
    with desk.inside():
        found = db.session.get_one(Platform, platform.id)
        terms = PaymentTerms(tenant_id=found.tenant_id, name="Vorkasse")
        db.session.add(terms)
        db.session.flush()
        guests = service.create_status("Gäste", "", Numbering("G", 3, 1, 2), terms.id)
        found.guest_status_id, before = guests.id, terms.id
        db.session.commit()
    who = [Party(name=name) for name in ("Gast", "Kunde", "Zweiter Gast", "Dritter Gast")]
    guest = [True, False, True, True]
    desk.take(
        *(
            an_order(f"028-{n}", is_guest=is_guest, buyer=party, buyer_reference=f"b{n}")
            for n, (is_guest, party) in enumerate(zip(guest, who, strict=True))
        )
    )
    with desk.inside():
        numbers = dict(db.session.execute(select(Document.order_id, Address.number).join(Document.address)).all())
        terms_of = dict(db.session.execute(select(Document.order_id, Document.payment_terms_id)).all())
    assert numbers == {"028-0": "G001", "028-1": "1000000", "028-2": "G002"}
    assert terms_of["028-0"] == before != terms_of["028-1"]
    assert desk.held()["028-3"].cause == "numbers"  # their range has run out; that of others has not


def test_settings_are_read_from_the_platform(desk, platform):
    with desk.inside():
        article = Article(tenant_id=desk.merchant.tenant_id, number="A-1")
        db.session.add(article)
        db.session.flush()
        db.session.add(
            ArticleAssignment(
                platform_id=platform.id, sku="SKU-1", tenant_id=desk.merchant.tenant_id, article_id=article.id
            )
        )
        db.session.commit()
    change(desk, platform, unknown_sku=UnknownSku.HOLD, article_rule=ArticleRule.TABLE)
    desk.take(an_order("028-1"), an_order("028-2", lines=[a_line(2)]))
    assert set(desk.documents()) == {"028-1"} and desk.held()["028-2"].cause == "unknown_sku"
    with desk.inside():
        assert db.session.scalars(select(Document)).one().lines[0].article_number == "A-1"
