"""Orders become documents once each, whatever arrives, in whatever order, however often."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import IntegrityError

from portal.addresses import checking, ledger
from portal.addresses.matching import MatchRule
from portal.addresses.models import Address, NumberRange
from portal.automation import runs
from portal.automation.claims import begin
from portal.automation.models import Run
from portal.documents import intake
from portal.documents.models import Document, DocumentLine, HeldOrder, Receipt
from portal.extensions import db
from portal.order import Component, Party, Status
from portal.platforms.models import DocumentType, Platform
from portal.scope import tenant
from portal.sentences import say
from tests.documents.builders import a_line, an_order, planned
from tests.shipments.builders import a_platform


@pytest.fixture
def source(as_tenant, merchant):
    with as_tenant(merchant):
        yield intake.source_of(a_platform(merchant))


def take(source, *orders):
    return intake.commit_page(source, planned(source, *orders), [])


def documents() -> dict[str, Document]:
    db.session.expire_all()
    return {document.order_id: document for document in db.session.scalars(select(Document))}


def held() -> dict[str, HeldOrder]:
    db.session.expire_all()
    return {order.order_id: order for order in db.session.scalars(select(HeldOrder))}


def a_bad_order(order_id="bad", version=1, **changes):
    return an_order(order_id, version, total=Decimal("1.00"), **changes)


def test_an_order_becomes_a_document_with_number_lines_address_and_receipt(source):
    line = a_line(
        components=[Component("article", Decimal("19.99")), Component("shipping", Decimal("3.90"))], total=None
    )
    take(source, an_order("028-1", lines=[line]))
    document = documents()["028-1"]
    assert document.total == Decimal("23.89") == sum(line.amount for line in document.lines)
    assert [line.kind for line in document.lines] == ["article", "freight"]
    assert document.address.name == "Käthe Müller"
    assert document.number.startswith("A")
    receipt = db.session.scalars(select(Receipt)).one()
    assert (receipt.event, receipt.document_id, len(receipt.payload_hash)) == ("created", document.id, 32)


def test_a_page_taken_twice_makes_each_document_once(source):
    page = [an_order(f"028-{number}") for number in range(100)]
    assert take(source, *page).created == 100
    again = take(source, *page)
    assert (again.created, again.repeated) == (0, 100)
    assert len(documents()) == 100


def test_one_poisoned_order_in_a_hundred_costs_one_order(source):
    tally = take(source, *[an_order(f"028-{number}") for number in range(99)], a_bad_order())
    assert (tally.created, tally.held) == (99, 1)
    assert "sum to" in held()["bad"].reason


def test_what_only_the_database_refuses_is_put_aside_alone(source):
    page = [an_order(f"028-{number}") for number in range(50)]
    page.insert(17, an_order("poison"))

    @event.listens_for(db.engine, "before_cursor_execute")
    def refuse(connection, cursor, statement, parameters, context, many):
        if statement.startswith("INSERT INTO document (") and "poison" in str(parameters):
            cursor.execute("SELECT 1 / 0")

    try:
        tally = take(source, *page)
    finally:
        event.remove(db.engine, "before_cursor_execute", refuse)
    assert (tally.created, tally.held) == (50, 1)
    assert held()["poison"].cause == "refused"
    assert len(documents()) == 50


def test_numbers_have_no_gaps_after_refusals(source):
    take(source, an_order("028-1"), a_bad_order("bad-1"), an_order("028-2"))
    take(source, a_bad_order("bad-2"), an_order("028-3"))
    numbers = sorted(int(document.number[1:]) for document in documents().values())
    assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_a_held_order_becomes_a_document_when_a_good_version_arrives(source):
    take(source, a_bad_order("028-1"))
    take(source, an_order("028-1", version=2))
    assert not held()
    assert list(documents()) == ["028-1"]


def test_a_retry_of_a_held_order_that_is_still_wrong_says_why(source):
    take(source, a_bad_order("028-1"))
    outcome = intake.retry_held(held()["028-1"], source)
    assert outcome.document is None and "sum to" in outcome.reason
    assert held()["028-1"].retries == 1


def meanwhile(app, merchant, work):
    """Another worker does this, whole, while what was read here is as old as it is."""

    def elsewhere():
        with app.app_context(), tenant(merchant.tenant_id):
            work()
            db.session.commit()

    other = threading.Thread(target=elsewhere)
    other.start()
    other.join()


def test_a_retry_of_a_newer_version_that_stays_held_says_why_and_names_no_document(source):
    take(source, an_order("028-1"))
    take(source, an_order("028-1", version=2, lines=[a_line(total=Decimal("1"))]))
    outcome = intake.retry_held(held()["028-1"], source)
    assert outcome.document is None and outcome.reason is not None
    assert held()["028-1"].retries == 1


def test_a_wish_to_cancel_reaches_the_document_although_its_version_is_held(source):
    take(source, an_order("028-1"), an_order("028-2"))
    before = documents()["028-1"].version
    wrong = [a_line(total=Decimal("1"))]
    take(source, an_order("028-1", version=2, lines=wrong, cancel_requested=True), an_order("028-2", 2, lines=wrong))
    assert {id: document.cancel_requested for id, document in documents().items()} == {"028-1": True, "028-2": False}
    assert documents()["028-1"].version == before and set(held()) == {"028-1", "028-2"}


def test_a_wish_to_cancel_what_is_cancelled_is_none(source):
    take(source, an_order("028-1"))
    take(source, an_order("028-1", 2, status=Status.CANCELLED))
    take(source, an_order("028-1", 3, lines=[a_line(total=Decimal("1"))], cancel_requested=True))
    assert not documents()["028-1"].cancel_requested


def test_two_who_try_a_held_order_at_once_are_both_counted(source, app, merchant):
    take(source, a_bad_order("028-1"))
    found = held()["028-1"]
    assert found.retries == 0
    meanwhile(app, merchant, lambda: intake.retry_held(held()["028-1"], source))
    intake.retry_held(found, source)
    db.session.commit()
    assert held()["028-1"].retries == 2


def test_a_retry_that_comes_too_late_finds_the_document(source, app, merchant):
    take(source, a_bad_order("028-1"))
    found = held()["028-1"]
    assert found.payload
    meanwhile(app, merchant, lambda: take(source, an_order("028-1", version=2)))
    outcome = intake.retry_held(found, source)
    db.session.commit()
    assert (outcome.document, outcome.reason) == (documents()["028-1"].id, None)
    assert not held()


def test_a_retry_that_a_cancellation_overtakes_makes_no_document(source, app, merchant):
    intake.commit_page(source, planned(source, an_order("028-1"), refused="Mended since."), [])
    found = held()["028-1"]
    assert found.payload
    meanwhile(app, merchant, lambda: take(source, an_order("028-1", version=2, status=Status.CANCELLED)))
    outcome = intake.retry_held(found, source)
    db.session.commit()
    assert (outcome.document, outcome.reason) == (None, None)
    assert not documents() and not held()


def test_a_retry_takes_the_version_that_is_held_by_then(source, app, merchant):
    take(source, an_order("028-1", total=None))
    found = held()["028-1"]
    assert found.payload
    newer = an_order("028-1", version=2, purchase_order="PO-2")
    meanwhile(app, merchant, lambda: intake.commit_page(source, planned(source, newer, refused="Mended since."), []))
    assert intake.retry_held(found, source).document is not None
    db.session.commit()
    assert documents()["028-1"].purchase_order == "PO-2" and not held()


@pytest.mark.parametrize(("missing", "buyer"), [({"street": ""}, "Käthe"), ({"name": ""}, ""), ({"name": " "}, "\n")])
def test_an_order_that_no_parcel_can_be_addressed_for_is_held_until_its_address_is_told(source, missing, buyer):
    """As Amazon leaves it out where the application lacks the right. Its version is the same once that is given."""
    there = an_order("028-1").delivery
    withheld = msgspec.structs.replace(there, **missing)
    take(source, an_order("028-1", delivery=withheld, buyer=Party(name=buyer)))
    assert held()["028-1"].cause == "no_address" and not documents()
    take(source, an_order("028-1"))
    assert documents()["028-1"].delivery["street"] and not held()


def test_a_parcel_may_go_to_the_buyer_where_nobody_else_is_named(source):
    there = an_order("028-1").delivery
    take(source, an_order("028-1", delivery=msgspec.structs.replace(there, name=""), buyer=Party(name="Käthe")))
    assert documents() and not held()


@pytest.mark.parametrize("changes", [{"status": Status.SHIPPED}, {"fulfilled_by": "marketplace"}])
def test_what_needs_no_parcel_of_ours_needs_no_address(source, changes):
    take(source, an_order("028-1", delivery=Party(country="DE"), **changes))
    assert documents() and not held()


def test_a_replacement_without_amounts_becomes_a_document(source):
    line = a_line(components=[], unit_price=None, total=None)
    take(source, an_order("028-1", lines=[line], total=None, replaces="028-0"))
    assert documents()["028-1"].total == 0


def test_lines_and_address_that_change_between_two_parcels_are_both_told(source):
    elsewhere = Party(name="Käthe Müller", street="Neue Straße 1", postal_code="34117", city="Kassel", country="DE")

    def said(version, quantity, **more):
        lines = [a_line(quantity=quantity, shipped=1)]
        take(source, an_order("028-1", version, status=Status.PARTLY_SHIPPED, lines=lines, **more))
        return say(documents()["028-1"].notice or "")

    assert said(1, 3) == ""
    assert "The new address: Käthe Müller, Neue Straße 1" in said(2, 3, delivery=elsewhere)
    assert "The order and its delivery address were changed" in said(3, 2, delivery=elsewhere)
    assert "The new address: Käthe Müller, Neue Straße 1" in say(documents()["028-1"].notice)


def test_a_cancellation_cancels_the_document(source):
    take(source, an_order("028-1"))
    take(source, an_order("028-1", version=2, status=Status.CANCELLED))
    assert documents()["028-1"].state == "cancelled"
    events = [receipt.event for receipt in db.session.scalars(select(Receipt).order_by(Receipt.version))]
    assert events == ["created", "cancelled"]


def test_a_page_that_only_repeats_gets_a_run_no_further(source):
    """Or one whose next page kills its worker would be begun for ever."""
    run = runs.start_fetch(db.session.get_one(Platform, source.platform_id), "person")
    db.session.commit()

    def fruitless_after(order):
        begun = begin(Run, run.id)
        own = replace(source, run_id=run.id, attempt=begun.attempt)
        intake.commit_page(own, planned(own, order), [])
        return db.session.scalar(select(Run.fruitless))

    orders = [an_order("028-1")] * 3 + [an_order("028-2")]
    assert [fruitless_after(order) for order in orders] == [0, 1, 2, 0]


def test_an_older_version_changes_nothing(source):
    take(source, an_order("028-1", version=5, status=Status.SHIPPED))
    take(source, an_order("028-1", version=2))
    assert documents()["028-1"].state == "shipped"


def test_a_changed_quantity_changes_the_lines(source):
    take(source, an_order("028-1", lines=[a_line(quantity=1)]))
    take(source, an_order("028-1", version=2, lines=[a_line(quantity=3)]))
    document = documents()["028-1"]
    assert [line.quantity for line in document.lines] == [3]
    assert document.total == Decimal("59.97")


def test_a_changed_address_before_shipping_changes_the_delivery(source):
    take(source, an_order("028-1"))
    take(source, an_order("028-1", version=2, delivery=Party(name="Neu", street="Weg 1", country="AT")))
    assert documents()["028-1"].delivery["street"] == "Weg 1"


@pytest.mark.parametrize("told", [Party(), Party(city="Frankfurt am Main", postal_code="60311", country="DE")])
def test_an_address_that_the_marketplace_no_longer_tells_stays_on_the_document(source, told):
    """Of what was shipped, Amazon withholds it after a while: all of it, or name and street."""
    take(source, an_order("028-1"), an_order("028-2"))
    take(source, an_order("028-1", version=2, status=Status.SHIPPED, delivery=told))
    changed = an_order("028-2", version=2, status=Status.SHIPPED, delivery=told, lines=[a_line(quantity=3)])
    take(source, changed)
    for found in documents().values():
        assert (found.delivery["street"], found.state, found.lines[0].quantity) == ("Lange Straße 7", "shipped", 1)
    assert documents()["028-1"].notice is None
    assert "no longer tells where it goes" in say(documents()["028-2"].notice)


WITHOUT_STREET = Party(name="Käthe Müller", street2="Packstation 140", city="Frankfurt am Main", country="DE")


@pytest.mark.parametrize(
    "told",
    [
        Party(name="Käthe Müller", street2="Packstation 140", city="Frankfurt am Main"),
        Party(name="Käthe Müller", country="DE"),
        Party(city="Frankfurt am Main", country="DE"),
    ],
)
def test_an_address_that_never_had_a_street_is_not_wiped_either(source, told):
    take(source, an_order("028-1", delivery=WITHOUT_STREET))
    before = documents()["028-1"].delivery
    take(source, an_order("028-1", version=2, status=Status.SHIPPED, delivery=told))
    found = documents()["028-1"]
    assert (found.delivery, found.notice, found.version) == (before, None, an_order(version=2).version)


@pytest.mark.parametrize("part", ["postal_code", "city", "street", "country"])
def test_an_order_still_to_be_shipped_keeps_its_address_where_an_essential_part_is_not_told(source, part):
    there = an_order("028-1").delivery
    take(source, an_order("028-1"))
    before = documents()["028-1"].delivery
    take(source, an_order("028-1", version=2, delivery=msgspec.structs.replace(there, **{part: ""})))
    assert documents()["028-1"].delivery == before


def test_a_second_line_of_an_address_may_go_until_it_is_shipped(source):
    there = msgspec.structs.replace(an_order("028-1").delivery, street2="c/o Meier")
    take(source, an_order("028-1", delivery=there), an_order("028-2", delivery=there))
    without = msgspec.structs.replace(there, street2="")
    take(source, an_order("028-1", 2, delivery=without), an_order("028-2", 2, status=Status.SHIPPED, delivery=without))
    assert {id: "street2" in found.delivery for id, found in documents().items()} == {"028-1": False, "028-2": True}


def test_half_an_address_that_is_another_is_a_notice(source):
    take(source, an_order("028-1"))
    take(source, an_order("028-1", version=2, delivery=Party(name="Käthe Müller", city="Kassel", country="DE")))
    found = documents()["028-1"]
    assert found.delivery["city"] == "Frankfurt am Main"
    assert "no longer tells where it goes" in say(found.notice)


def test_a_company_in_the_place_of_a_name_is_a_changed_address(source):
    there = an_order("028-1").delivery
    take(source, an_order("028-1"))
    take(source, an_order("028-1", 2, delivery=msgspec.structs.replace(there, name="", company="Müller GmbH")))
    assert documents()["028-1"].delivery.keys() >= {"company", "street"} and documents()["028-1"].notice is None


def test_the_date_to_ship_by_moves_with_the_order(source):
    take(source, an_order("028-1"))
    later = an_order("028-1").ship_by + timedelta(days=3)
    take(source, an_order("028-1", version=2, ship_by=later))
    assert documents()["028-1"].ship_by == later


def test_a_phone_number_that_is_no_longer_told_is_no_change_of_the_address(source):
    there = an_order("028-1").delivery
    take(
        source, an_order("028-1", status=Status.PARTLY_SHIPPED, delivery=msgspec.structs.replace(there, phone="069 1"))
    )
    take(source, an_order("028-1", version=2, status=Status.PARTLY_SHIPPED))
    found = documents()["028-1"]
    assert (found.notice, found.delivery["phone"]) == (None, "069 1")


def test_an_address_that_changes_between_two_parcels_is_a_notice_with_the_new_one(source):
    elsewhere = Party(name="Käthe Müller", street="Neue Straße 1", postal_code="34117", city="Kassel", country="DE")
    take(source, an_order("028-1", status=Status.PARTLY_SHIPPED), an_order("028-2", status=Status.SHIPPED))
    take(
        source,
        an_order("028-1", version=2, status=Status.PARTLY_SHIPPED, delivery=elsewhere),
        an_order("028-2", version=2, status=Status.SHIPPED, delivery=elsewhere),
    )
    found = documents()
    assert [document.delivery["street"] for document in found.values()] == ["Lange Straße 7"] * 2
    assert "Käthe Müller, Neue Straße 1, 34117, Kassel, DE" in say(found["028-1"].notice)
    assert found["028-2"].notice is None, "nothing is left to ship"


def test_pieces_shipped_are_taken_over_with_a_new_order_and_as_they_move_on(source):
    lines = [a_line(1, quantity=3, shipped=1), a_line(2, shipped=9), a_line(3, shipped=-1)]
    take(source, an_order("028-1", status=Status.PARTLY_SHIPPED, lines=lines), an_order("028-2"))

    def shipped(order_id):
        wanted = select(DocumentLine.shipped).where(DocumentLine.document_id == documents()[order_id].id)
        return db.session.scalars(wanted.order_by(DocumentLine.position)).all()

    assert (shipped("028-1"), shipped("028-2")) == ([1, 1, 0], [0])  # never more than there are, or less than none
    lines = [a_line(1, quantity=3, shipped=2), a_line(2, quantity=2), a_line(3)]
    take(source, an_order("028-1", 2, status=Status.PARTLY_SHIPPED, lines=lines))
    assert documents()["028-1"].notice is not None  # the second line is left as it is
    assert shipped("028-1") == [2, 0, 0]
    take(source, an_order("028-1", 1, status=Status.PARTLY_SHIPPED, lines=[a_line(1, quantity=3, shipped=3)]))
    assert shipped("028-1") == [2, 0, 0]


def test_a_change_after_shipping_is_a_notice_and_leaves_the_lines(source):
    take(source, an_order("028-1", status=Status.SHIPPED))
    take(source, an_order("028-1", version=2, status=Status.SHIPPED, lines=[a_line(quantity=9)]))
    document = documents()["028-1"]
    assert document.notice and document.lines[0].quantity == 1


def test_an_order_that_was_a_document_of_another_platform_of_the_seller_s_is_that_document(source, merchant):
    """Marketplaces were moved from one platform to another, which reads the last weeks once more."""
    first = db.session.get_one(Platform, source.platform_id)
    second, stranger = (a_platform(merchant, name, name) for name in ("second", "stranger"))
    first.seller_id = second.seller_id = "A1SELLER"
    stranger.seller_id = "A2SELLER"
    db.session.commit()
    take(intake.source_of(first), an_order("028-1"))
    later = [an_order("028-1", 2, lines=[a_line(quantity=2)]), an_order("028-2")]
    tally = take(intake.source_of(second), *later)
    assert (tally.created, tally.changed) == (1, 1)
    assert {id: (row.platform_id, row.lines[0].quantity) for id, row in documents().items()} == {
        "028-1": (first.id, 2),
        "028-2": (second.id, 1),
    }
    assert take(intake.source_of(first), an_order("028-2")).created == 0
    assert take(intake.source_of(stranger), an_order("028-1")).created == 1  # whose numbers happen to be the same


def test_one_buyer_is_one_address(source):
    take(source, an_order("028-1", buyer_reference="same"), an_order("028-2", buyer_reference="same"))
    take(source, an_order("028-3", buyer_reference="same"))
    assert db.session.scalar(select(func.count()).select_from(Address)) == 1


def test_names_with_quotes_backslashes_braces_and_control_characters_arrive(source):
    name = 'Q"uote \\back {brace}, NULL \x00\u202e山'
    take(source, an_order("028-1", buyer=Party(name=name)), an_order("028-2", buyer=Party(name="NULL")))
    names = {document.address.name for document in documents().values()}
    assert names == {'Q"uote \\back {brace}, NULL 山', "NULL"}


@pytest.mark.parametrize("rule", list(MatchRule))
def test_a_page_costs_the_same_number_of_statements_whatever_its_size(source, rule):
    source = replace(source, match_rule=rule)

    def statements(orders):
        seen = []
        listener = lambda *arguments: seen.append(arguments[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listener)
        try:
            take(source, *orders)
        finally:
            event.remove(db.engine, "before_cursor_execute", listener)
        return len(seen)

    take(source, an_order("first"))
    few = statements([an_order(f"few-{number}") for number in range(2)])
    many = statements([an_order(f"many-{number}") for number in range(300)])
    assert few == many < 20


def test_two_writers_of_the_same_orders_at_once_make_each_document_once(source, app, merchant):
    page = [an_order(f"028-{number}") for number in range(60)]
    problems = []

    def write(part):
        try:
            with app.app_context(), tenant(merchant.tenant_id):
                for start in range(0, 60, 20):
                    take(source, *part[start : start + 20])
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=(part,)) for part in (page, page[::-1], page)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(documents()) == 60
    numbers = sorted(int(document.number[1:]) for document in documents().values())
    assert numbers == list(range(numbers[0], numbers[0] + 60))


def as_invoices(source):
    return replace(source, settings=replace(source.settings, document_type=DocumentType.INVOICE))


def test_an_order_that_is_a_sales_order_never_becomes_an_invoice_too(source):
    take(source, an_order("both"))
    take(as_invoices(source), an_order("both", version=2), an_order("later"))
    take(source, an_order("later", version=2))
    assert {id: (found.type, found.number) for id, found in documents().items()} == {
        "both": ("order", "A0000001"),
        "later": ("invoice", "R0000001"),
    }
    assert not held()
    twice = text("UPDATE document SET order_id = 'both' WHERE order_id = 'later'")  # nothing but the key decides here
    with pytest.raises(IntegrityError, match="uq_document_order"), db.session.begin_nested():
        db.session.execute(twice)


def test_workers_who_plan_by_the_setting_before_and_behind_its_change_make_each_document_once(app, merchant, source):
    """They meet at the same orders, in different order: the ranges of both types are locked by each."""
    page = [an_order(f"028-{n}", buyer_reference=f"buyer-{n}") for n in range(40)]
    problems = []

    def write(source, orders):
        try:
            with app.app_context(), tenant(merchant.tenant_id):
                for first in range(0, len(orders), 8):
                    take(source, *orders[first : first + 8])
        except Exception as problem:
            problems.append(problem)

    work = [(source, page), (as_invoices(source), page[::-1]), (source, page[20:]), (as_invoices(source), page)]
    threads = [threading.Thread(target=write, args=part) for part in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems and not held()
    assert len(documents()) == 40
    for letter, type in (("A", DocumentType.ORDER), ("R", DocumentType.INVOICE)):
        numbers = sorted(found.number for found in documents().values() if found.type == type)
        assert numbers == [f"{letter}{number:07}" for number in range(1, len(numbers) + 1)]
        own = db.session.scalars(select(NumberRange).where(NumberRange.purpose == type.value)).one()
        wanted = ledger.Wanted(ledger.Series(own.id, own.purpose), ZoneInfo("Europe/Berlin"))
        found = checking.check(wanted, own.next_number)
        assert (found.drawn, found.findings) == (len(numbers), [])


def test_an_invoice_is_left_as_it_is_and_says_what_changed(source):
    invoices = as_invoices(source)
    changed, moved, cancelled = (an_order(id) for id in ("changed", "moved", "cancelled"))
    take(invoices, changed, moved, cancelled)
    elsewhere = Party(name="Käthe Müller", street="Neue Straße 1", city="Kassel", country="DE")
    take(
        invoices,
        an_order("changed", version=2, lines=[a_line(quantity=2)]),
        an_order("moved", version=2, delivery=elsewhere),
        an_order("cancelled", version=2, status=Status.CANCELLED),
    )
    found = documents()
    for id, order in (("changed", changed), ("moved", moved), ("cancelled", cancelled)):
        assert found[id].total == order.total and found[id].delivery["street"] == order.delivery.street
    assert [found[id].state for id in ("changed", "moved", "cancelled")] == ["open", "open", "cancelled"]
    assert "changed at the marketplace after its invoice" in say(found["changed"].notice)
    assert "to the new address: Käthe Müller, Neue Straße 1, Kassel, DE" in say(found["moved"].notice)
    assert "invoice has to be cancelled" in say(found["cancelled"].notice)


versions = st.lists(
    st.tuples(
        st.integers(0, 3),  # which order
        st.integers(1, 6),  # which version of it
    ),
    min_size=1,
    max_size=24,
)


def version_of(number: int, version: int):
    """The same number and version are always the same order: what a marketplace would say at that time."""
    status = Status.CANCELLED if version == 6 else Status.UNSHIPPED
    order_id = f"o-{number}"
    if (number + version) % 4 == 3 and version < 6:
        return a_bad_order(order_id, version)
    return an_order(order_id, version, status=status, lines=[a_line(quantity=1 + (version * (number + 1)) % 3)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_mix_of_versions_repeats_and_orderings_ends_in_the_same_documents(app, merchant, data):
    """Whatever came before, however it was cut: once the newest of everything has come, all is as it is newest."""
    arrivals = data.draw(versions)
    newest = {number: max(version for n, version in arrivals if n == number) for number, _ in arrivals}
    shuffled = data.draw(st.permutations(arrivals))
    cut = data.draw(st.integers(1, len(shuffled)))
    with app.app_context(), tenant(merchant.tenant_id):
        name = f"p{db.session.scalar(text('SELECT count(*) FROM platform'))}"
        source = intake.source_of(a_platform(merchant, name, name))
        for page in (shuffled[:cut], shuffled[cut:], [*newest.items()], [*newest.items()]):
            take(source, *(version_of(*entry) for entry in page))
        ours = select(Document).where(Document.platform_id == source.platform_id)
        found = {document.order_id: document for document in db.session.scalars(ours)}
        waiting = {
            order.order_id
            for order in db.session.scalars(select(HeldOrder).where(HeldOrder.platform_id == source.platform_id))
        }
        for number, version in newest.items():
            order = version_of(number, version)
            document = found.get(order.id)
            if order.total == Decimal("1.00"):
                assert order.id in waiting
            elif order.status == Status.CANCELLED:
                assert document is None or document.state == "cancelled"
                assert order.id not in waiting
            else:
                assert document is not None and document.version == order.version
                lines = db.session.scalars(select(DocumentLine).where(DocumentLine.document_id == document.id)).all()
                assert [line.quantity for line in lines] == [order.lines[0].quantity]
                assert order.id not in waiting
        drawn = db.session.scalar(select(NumberRange.next_number).where(NumberRange.purpose == "order"))
        assert drawn - 1 == db.session.scalar(select(func.count()).select_from(Document))
