"""The tabs "Document creation" and "Defaults": what they offer, refuse and keep, and what trying out shows."""

from __future__ import annotations

import pytest
from flask_babel import force_locale
from sqlalchemy import delete, select, text

from portal import tables
from portal.addresses import merging
from portal.addresses.models import Address
from portal.cloud import platforms as cloud_platforms
from portal.cloud.models import InboxOrder
from portal.extensions import db
from portal.masterdata.models import (
    Article,
    PaymentMethod,
    PaymentTerms,
    ShippingMethod,
    TaxClass,
    TaxCode,
    TaxRate,
    TaxSettings,
)
from portal.order import Order
from portal.platforms.models import Platform, RemoteValue
from portal.scope import account
from tests.desk import Desk
from tests.documents.builders import a_line, an_order

PLAIN = {
    "document_type": "order",
    "freight_article": "FRACHT",
    "discount_article": "",
    "gift_wrap_article": "",
    "other_article": "",
    "article_rule": "same",
    "sku_prefix": "",
    "unknown_sku": "free_text",
}


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def platform(desk):
    return desk.platform()


def id_of(desk, model, name=None):
    with desk.inside():
        query = select(model.id).order_by(model.id)
        return db.session.scalars(query if name is None else query.where(model.name == name)).first()


def make(desk, *rows):
    with desk.inside():
        for row in rows:
            row.tenant_id = desk.merchant.tenant_id
            db.session.add(row)
        db.session.commit()


@pytest.fixture
def form(desk):
    return {
        **PLAIN,
        "payment_terms": str(id_of(desk, PaymentTerms)),
        "payment_method": str(id_of(desk, PaymentMethod)),
        "shipping_method": str(id_of(desk, ShippingMethod)),
    }


def kept(desk, platform):
    with desk.inside():
        return db.session.get_one(Platform, platform.id)


class TestCreation:
    def test_what_is_chosen_is_kept(self, desk, platform, form):
        make(desk, ShippingMethod(name="Spedition"))
        express = id_of(desk, ShippingMethod, "Spedition")
        path = f"/platforms/{platform.id}/creation"
        chosen = {"document_type": "invoice", "shipping_method": str(express)}
        desk.do(path, **{**form, **chosen, "article_rule": "strip_prefix", "sku_prefix": "AMZ-"})
        found = kept(desk, platform)
        assert found.document_type == "invoice"
        assert (found.shipping_method_id, found.freight_article, found.gift_wrap_article) == (express, "FRACHT", "")
        assert (found.article_rule, found.sku_prefix) == ("strip_prefix", "AMZ-")
        page = desk.open(path)
        assert page.fields["freight_article"] == "FRACHT" and page.fields["sku_prefix"] == "AMZ-"

    @pytest.mark.parametrize(
        ("field", "typed", "says"),
        [
            ("freight_article", "", "This field is required."),
            ("freight_article", "F" * 61, "longer than 60"),
            ("discount_article", "D" * 61, "longer than 60"),
            ("payment_terms", "0", "valid choice"),
            ("payment_method", "x", "could not coerce"),
            ("shipping_method", "999999", "valid choice"),
            ("document_type", "delivery_note", "valid choice"),
            ("article_rule", "guess", "valid choice"),
            ("unknown_sku", "drop", "valid choice"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_its_field(self, desk, platform, form, field, typed, says):
        page = desk.send(f"/platforms/{platform.id}/creation", 422, **{**form, "other_article": "kept", field: typed})
        assert says in page.one("div", id=f"{field}-error").words
        assert page.fields["other_article"] == "kept"
        assert kept(desk, platform).freight_article == "FREIGHT"

    def test_a_rule_with_a_beginning_needs_one(self, desk, platform, form):
        page = desk.send(f"/platforms/{platform.id}/creation", 422, **{**form, "article_rule": "strip_prefix"})
        assert "Say what the SKUs begin with." in page.one("div", id="sku_prefix-error").words

    def test_what_is_switched_off_is_offered_only_where_it_is_chosen(self, desk, platform, form):
        make(desk, PaymentMethod(name="Nachnahme", active=False), PaymentMethod(name="Vorkasse"))
        offered = desk.open(f"/platforms/{platform.id}/creation").one("select", id="payment_method").words
        assert "Vorkasse" in offered and "Nachnahme" not in offered
        off = id_of(desk, PaymentMethod, "Nachnahme")
        with desk.inside():
            db.session.get_one(Platform, platform.id).payment_method_id = off
            db.session.commit()
        assert "Nachnahme" in desk.open(f"/platforms/{platform.id}/creation").one("select", id="payment_method").words

    def test_a_platform_that_is_not_set_up_fetches_nothing(self, desk, platform):
        with desk.inside():
            found = db.session.get_one(Platform, platform.id)
            found.payment_terms_id, found.connection = None, "authenticated"
            db.session.commit()
        page = desk.send(f"/platforms/{platform.id}/fetches", 422)
        assert "Fill in the platform’s document creation first" in page.words


class TestWords:
    def test_one_click_maps_a_new_word(self, desk, platform, form):
        make(desk, ShippingMethod(name="Next_Day"), ShippingMethod(name="Paket"))
        desk.take(an_order("028-1", shipping_level="NEXT_DAY"))
        path = f"/platforms/{platform.id}/creation"
        page = desk.open(path)
        assert "new from the marketplace" in page.words and page.link("028-1") == "/documents/?q=028-1"
        assert "a word that is new here: NEXT_DAY" in desk.open(f"/platforms/{platform.id}").words
        with desk.inside():
            word = db.session.scalars(select(RemoteValue)).one().id
        suggested = page.fields[f"value-{word}"]
        assert suggested == str(id_of(desk, ShippingMethod, "Next_Day"))  # it is called the same
        page = desk.do(f"{path}/values", **{f"value-{word}": suggested})
        assert "new from the marketplace" not in page.words
        assert "new here" not in desk.open(f"/platforms/{platform.id}").words
        desk.take(an_order("028-2", shipping_level="NEXT_DAY"))
        assert desk.documents()["028-2"].shipping_method_id == int(suggested)

    def test_a_method_of_the_other_kind_or_of_nobody_is_the_standard(self, desk, platform, form):
        make(desk, *(PaymentMethod(name=f"P{n}") for n in range(5)))
        desk.take(an_order("028-1", shipping_level="NEXT_DAY"))
        with desk.inside():
            word = db.session.scalars(select(RemoteValue)).one().id
        for typed in (str(id_of(desk, PaymentMethod, "P4")), "99999999", "x", "-1"):
            desk.do(f"/platforms/{platform.id}/creation/values", **{f"value-{word}": typed})
            with desk.inside():
                assert db.session.scalars(select(RemoteValue)).one().shipping_method_id is None


class TestDefaults:
    def test_an_address_is_named_by_its_number(self, desk, platform):
        desk.take(an_order("028-1"))
        with desk.inside():
            number = db.session.scalar(text("SELECT number FROM address"))
        path = f"/platforms/{platform.id}/defaults"
        status = desk.open(path).fields["address_status"]
        desk.do(path, address_status=status, collective=number, marketplace="")
        assert desk.open(path).fields["collective"] == number
        desk.do(path, address_status=status, collective="", marketplace=number)
        page = desk.open(path)
        assert (page.fields["collective"], page.fields["marketplace"]) == ("", number)

    def test_an_unknown_number_is_refused_at_its_field(self, desk, platform):
        path = f"/platforms/{platform.id}/defaults"
        status = desk.open(path).fields["address_status"]
        page = desk.send(path, 422, address_status=status, collective="4711", marketplace="")
        assert "No address has the number 4711." in page.one("div", id="collective-error").words
        assert page.fields["collective"] == "4711"

    def test_an_address_that_was_merged_away_is_refused_and_names_the_one_that_stays(self, desk, platform):
        desk.take(an_order("028-1"), an_order("028-2"))
        with desk.inside():
            kept, merged = db.session.scalars(select(Address).order_by(Address.id)).all()
            merging.merge(kept, merged, desk.merchant.user_id)
            db.session.commit()
            numbers = {"kept": kept.number, "merged": merged.number}
        path = f"/platforms/{platform.id}/defaults"
        status = desk.open(path).fields["address_status"]
        page = desk.send(path, 422, address_status=status, collective=numbers["merged"], marketplace="")
        said = "The address {merged} was merged into {kept}. Choose that one.".format(**numbers)
        assert said in page.one("div", id="collective-error").words

    def test_guests_are_not_offered_where_the_marketplace_does_not_tell_them_apart(self, desk, platform):
        assert "guest_status" not in desk.open(f"/platforms/{platform.id}/defaults").fields


def everything(app):
    """All rows of all tables, as the owner sees them."""
    import os

    import psycopg

    with psycopg.connect(os.environ["DATABASE_OWNER_URL"].replace("+psycopg", "")) as connection:
        return {
            table.name: sorted(map(repr, connection.execute(f'SELECT * FROM "{table.name}"').fetchall()))
            for table in tables.metadata.sorted_tables
            if table.name not in ("cloud_token",)  # a token may be fetched meanwhile
        }


class TestTryingOut:
    @pytest.fixture
    def connected(self, desk, live_server, platform):
        """Three orders: one became a document, one waits in the cloud, one is held."""
        with desk.app.app_context(), account(desk.merchant.account_id):
            cloud = cloud_platforms.create_platform("amazon", "Amazon", ["A1PA6795UKMFR9"], True)
            db.session.flush()
            reference, id = cloud.reference, cloud.id
            db.session.commit()
        with desk.inside():
            found = db.session.get_one(Platform, platform.id)
            found.reference = reference
            db.session.execute(text("UPDATE credential SET address = :address"), {"address": f"{live_server}/cloud"})
            db.session.commit()
        written, waiting = an_order("028-1"), an_order("028-2", lines=[a_line(2)])
        desk.take(written, an_order("028-3", lines=[a_line(3)], total=None))
        for order, state in ((written, "delivered"), (waiting, "waiting")):
            self.put(desk, id, order, state)
        return platform

    def put(self, desk, cloud_platform_id, order: Order, state: str):
        import msgspec

        with desk.app.app_context(), account(desk.merchant.account_id):
            db.session.add(
                InboxOrder(
                    account_id=desk.merchant.account_id,
                    platform_id=cloud_platform_id,
                    order_id=order.id,
                    version=order.version,
                    state=state,
                    note="",
                    payload=msgspec.json.encode(order),
                    collection_id=1,
                    delivered_version=order.version if state == "delivered" else None,
                )
            )
            db.session.commit()

    def shown(self, page):
        card = page.one("section", id="trial")
        return card.all("b")[0].words, {tuple(cell.words for cell in row.all("td")) for row in card.all("tr")[1:]}

    def test_the_same_settings_change_nothing(self, desk, connected, form):
        with desk.inside():
            found = db.session.get_one(Platform, connected.id)
            found.payment_terms_id = int(form["payment_terms"])
            found.payment_method_id = int(form["payment_method"])
            found.shipping_method_id = int(form["shipping_method"])
            db.session.commit()
        page = desk.send(f"/platforms/{connected.id}/creation", 200, **{**form, "freight_article": "F", "try": "1"})
        assert self.shown(page) == ("3 the same.", set())

    def test_it_says_what_would_differ_and_writes_nothing(self, desk, connected, form):
        make(desk, ShippingMethod(name="Spedition"), Article(number="SKU-1"))
        wanted = {
            **form,
            "shipping_method": str(id_of(desk, ShippingMethod, "Spedition")),
            "unknown_sku": "hold",
            "try": "1",
        }
        before = everything(desk.app)
        page = desk.send(f"/platforms/{connected.id}/creation", 200, **wanted)
        assert everything(desk.app) == before
        words, rows = self.shown(page)
        assert words.startswith("1 the same") and "1 would be held: SKU without an article" in words
        assert "1 with another shipping method" in words and "1 with other payment terms" in words
        assert ("Shipping method", "–", "Spedition") in rows
        assert ("Becomes", "a document", "held: There is no article for the SKU “SKU-2”.") in rows
        assert page.fields["unknown_sku"] == "hold"  # what was chosen is still chosen
        assert kept(desk, connected).unknown_sku == "free_text"

    def test_another_type_is_counted_with_the_numbers_it_brings(self, desk, connected, form):
        with desk.inside():
            for name in ("payment_terms", "payment_method", "shipping_method"):
                setattr(db.session.get_one(Platform, connected.id), f"{name}_id", int(form[name]))
            db.session.commit()
        wanted = {**form, "freight_article": "FREIGHT", "document_type": "invoice", "try": "1"}
        page = desk.send(f"/platforms/{connected.id}/creation", 200, **wanted)
        words, rows = self.shown(page)
        assert words == "1 the same, 2 with other document type, 2 with another number."  # the held one stays so
        assert {("Document type", "Sales order", "Invoice"), ("Number", "A0000003", "R0000002")} <= rows

    def test_what_the_trial_says_is_what_the_intake_does(self, desk, connected, form):
        make(desk, Article(number="SKU-1"))
        wanted = {**form, "unknown_sku": "hold"}
        desk.do(f"/platforms/{connected.id}/creation", **wanted)
        desk.take(an_order("028-2", lines=[a_line(2)]))
        assert desk.held()["028-2"].cause == "unknown_sku"

    def test_a_cloud_that_does_not_answer_is_said_and_what_is_here_is_tried(self, desk, connected, form):
        with desk.inside():
            db.session.execute(text("UPDATE credential SET address = 'http://127.0.0.1:9/cloud'"))
            db.session.commit()
        page = desk.send(f"/platforms/{connected.id}/creation", 200, **{**form, "try": "1"})
        words, _rows = self.shown(page)
        assert words == "1 the same." and "Nothing answers at" in page.one("section", id="trial").words

    def test_taxes_are_tried_with_the_platforms_orders(self, desk, connected):
        from portal.documents.trial import try_out

        with desk.inside():
            found = db.session.get_one(Platform, connected.id)

            def tax_at_home():
                db.session.execute(delete(TaxRate))
                code = TaxCode(tenant_id=found.tenant_id, code="3")
                db.session.add(code)
                db.session.flush()
                db.session.get_one(TaxSettings, found.tenant_id).home_country = "DE"
                db.session.add(
                    TaxRate(
                        tenant_id=found.tenant_id,
                        country="DE",
                        tax_class=TaxClass.STANDARD,
                        valid_from=text("date '2020-01-01'"),
                        rate=19,
                        tax_code_id=code.id,
                    )
                )

            trial = try_out([found], tax_at_home)
            assert list(trial.counts) == ["1 the same", "2 with other tax"]
            assert trial.changed[0].differences[0].after == "€3.19 (3: 19 %)"
            with force_locale("de"):
                assert (
                    try_out([found], tax_at_home).changed[0].differences[0].after == "3,19\N{NO-BREAK SPACE}€ (3: 19 %)"
                )
            assert db.session.scalars(select(TaxCode).where(TaxCode.code == "3")).all() == []
