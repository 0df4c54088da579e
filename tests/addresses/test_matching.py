"""A returning customer is one address: by reference, or by the tenant's rule. Nobody else is put into it."""

from __future__ import annotations

import threading
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from portal.addresses import service
from portal.addresses.matching import LONGEST_EMAIL, MatchRule, email_key, place_key
from portal.addresses.models import Address, AddressReference, NumberRange, Purpose
from portal.documents import intake
from portal.documents.models import Document, HeldOrder
from portal.extensions import db
from portal.order import Party
from portal.platforms.models import Platform
from portal.scope import tenant
from tests.desk import Desk
from tests.documents.builders import an_order, planned, write
from tests.patience import wait_until
from tests.shipments.builders import a_platform

# Each spelling, and whose it is. Nobody's is known by nothing.
EMAILS = {
    "anna@example.com": "anna",
    " Anna@Example.COM": "anna",
    "ａnna@example.com": "anna",  # full width
    "weiß@example.com": "weiss",
    "WEISS@example.com": "weiss",
    "": None,
}
NAMES = {"Käthe Müller": "käthe", "KA\u0308THE  MÜLLER": "käthe", "Ole": "ole", "": None}
STREETS = {"Lange Straße 7": 7, "LANGE STRASSE  7": 7, "Lange Straße 8": 8, "": None}
POSTCODES = {"60311": 60311, "": None}


def a_buyer(reference="", email="", name="Ole", street="Lange Straße 7", postal_code="60311"):
    """A buyer, as the fields of an order."""
    return {
        "buyer_reference": reference,
        "buyer": Party(name=name, email=email),
        "delivery": Party(street=street, postal_code=postal_code, city="Frankfurt", country="DE"),
    }


def address_of_orders() -> dict[str, int]:
    return dict(db.session.execute(select(Document.order_id, Document.address_id)).all())


class TestKeys:
    @pytest.mark.parametrize("spellings", [EMAILS])
    def test_all_spellings_of_an_email_address_are_one(self, spellings):
        keys = defaultdict(set)
        for spelling, whose in spellings.items():
            keys[whose].add(email_key(spelling))
        assert [len(found) for found in keys.values()] == [1, 1, 1]
        assert len(set.union(*keys.values())) == 3
        assert keys[None] == {""}

    def test_a_place_is_name_postcode_and_street(self):
        one = place_key("Käthe Müller", "60311", "Lange Straße 7")
        assert one == place_key(" KÄTHE\u3000MÜLLER", "６0311", "lange strasse 7")
        others = [("Käthe", "60311", "Lange Straße 7"), ("Käthe Müller", "60312", "Lange Straße 7")]
        others += [("Käthe Müller", "60311", "Lange Straße 8"), ("Käthe Müller 60311", "Lange", "Straße 7")]
        assert one not in {place_key(*other) for other in others}

    @pytest.mark.parametrize("missing", [("", "60311", "Weg 1"), ("Ole", " ", "Weg 1"), ("Ole", "60311", "\u3000")])
    def test_an_incomplete_place_is_none(self, missing):
        assert place_key(*missing) == ""

    @given(st.text())
    def test_no_text_has_a_key_that_an_index_refuses(self, any_text):
        assert len(email_key(any_text * 20)) <= LONGEST_EMAIL
        assert len(place_key(any_text, any_text, any_text)) in (0, 32)


orders = st.tuples(
    st.sampled_from(["", "r1", "r2", "r3", "r4"]),
    st.sampled_from(list(EMAILS)),
    st.sampled_from(list(NAMES)),
    st.sampled_from(list(POSTCODES)),
    st.sampled_from(list(STREETS)),
)
pages = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from(list(MatchRule)), st.lists(orders, min_size=1, max_size=6)),
    min_size=1,
    max_size=5,
)
SAME = ("anna@example.com", "Ole", "60311", "Lange Straße 7")


class Model:
    """The customers as somebody with a card index would find them, one order after the other."""

    def __init__(self):
        self.cards = []  # of each customer: what he is known by, per rule
        self.of_reference = {}
        self.of_order = {}

    def take(self, platform, rule, order_id, reference, email, name, postal_code, street):
        buyer = (platform, reference or order_id)
        place = (NAMES[name], POSTCODES[postal_code], STREETS[street])
        known_by = {
            MatchRule.REFERENCE: None,
            MatchRule.EMAIL: EMAILS[email],
            MatchRule.PLACE: None if None in place else place,
        }
        if buyer not in self.of_reference:
            wanted = known_by[rule]
            alike = [n for n, card in enumerate(self.cards) if wanted is not None and card[rule] == wanted]
            if not alike:
                self.cards.append(known_by)
            self.of_reference[buyer] = alike[0] if alike else len(self.cards) - 1
        self.of_order[order_id] = self.of_reference[buyer]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages)
@example([(0, MatchRule.REFERENCE, [("r1", *SAME), ("r2", *SAME)]), (1, MatchRule.EMAIL, [("r3", *SAME)])])
@example([(0, MatchRule.EMAIL, [("r1", *SAME), ("r2", *SAME), ("", *SAME)]), (1, MatchRule.PLACE, [("r1", *SAME)])])
def test_one_buyer_is_one_address_and_no_address_two_buyers(app, make_tenant, pages):
    merchant, model, count = make_tenant(), Model(), 0
    with app.app_context(), tenant(merchant.tenant_id):
        platforms = [a_platform(merchant, "Amazon"), a_platform(merchant, "Another", "amazon-2")]
        for which, rule, page in pages:
            service.choose_rule(rule)
            arrived = []
            for reference, email, name, postal_code, street in page:
                count += 1
                told = a_buyer(reference, email, name, street, postal_code)
                # Of what the marketplace ships neither name nor street need be told.
                arrived.append(an_order(f"o-{count}", fulfilled_by="marketplace", **told))
                model.take(which, rule, f"o-{count}", reference, email, name, postal_code, street)
            write(platforms[which], *arrived)
        found = address_of_orders()
        assert found.keys() == model.of_order.keys()
        assert _groups(found) == _groups(model.of_order)
        assert db.session.scalar(select(func.count()).select_from(Address)) == len(model.cards)
        assert db.session.scalar(select(func.count()).select_from(AddressReference)) == len(model.of_reference)
        numbers = sorted(int(number) for number in db.session.scalars(select(Address.number)))
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _groups(of_order):
    groups = defaultdict(set)
    for order_id, whose in of_order.items():
        groups[whose].add(order_id)
    return {frozenset(group) for group in groups.values()}


def test_by_the_rule_he_gets_his_reference_and_keeps_it_when_the_rule_changes(platform):
    service.choose_rule(MatchRule.EMAIL)
    write(platform, an_order("028-1", **a_buyer("one", "a@example.com")))
    write(platform, an_order("028-2", **a_buyer("two", "A@example.com")))
    service.choose_rule(MatchRule.REFERENCE)
    write(platform, an_order("028-3", **a_buyer("two", "other@example.com")))
    assert len(set(address_of_orders().values())) == 1


def test_of_several_that_are_alike_the_oldest_is_meant(platform):
    write(platform, *(an_order(f"028-{n}", **a_buyer(f"r{n}", "a@example.com")) for n in range(3)))
    service.choose_rule(MatchRule.EMAIL)
    write(platform, an_order("028-9", **a_buyer("r9", "a@example.com")))
    found = address_of_orders()
    assert len(set(found.values())) == 3
    assert found["028-9"] == min(found.values())


def test_a_new_buyers_orders_are_held_together_where_the_numbers_end(platform):
    """The last number goes to the first of three; the second is the same customer, the third one is held."""
    service.choose_rule(MatchRule.PLACE)
    own = db.session.scalars(select(NumberRange).where(NumberRange.purpose == Purpose.ADDRESS)).one()
    own.last_number = own.next_number
    db.session.commit()
    write(
        platform,
        an_order("028-1", **a_buyer("r1")),
        an_order("028-3", **a_buyer("r3", name="Käthe")),
        an_order("028-2", **a_buyer("r2")),
    )
    found = address_of_orders()
    assert found.keys() == {"028-1", "028-2"} and len(set(found.values())) == 1
    assert db.session.scalars(select(HeldOrder.order_id)).all() == ["028-3"]


def test_two_workers_meet_one_customer_on_two_platforms(app, merchant, platform):
    """The first holds its page open; the second waits for it, and then finds the address."""
    service.choose_rule(MatchRule.EMAIL)
    other = a_platform(merchant, "Another", "amazon-2").id
    source = intake.source_of(platform)
    problems = []

    def second():
        try:
            with app.app_context(), tenant(merchant.tenant_id):
                write(db.session.get_one(Platform, other), an_order("o-2", **a_buyer("two", "a@example.com")))
        except Exception as error:
            problems.append(error)

    intake.write_page(source, planned(source, an_order("o-1", **a_buyer("one", "a@example.com"))), [])
    thread = threading.Thread(target=second)
    thread.start()
    wait_for_somebody_who_waits(app)
    db.session.commit()
    thread.join()
    assert not problems
    found = address_of_orders()
    assert len(found) == 2 and len(set(found.values())) == 1


def test_many_at_once_make_each_customer_once(app, merchant, platform):
    service.choose_rule(MatchRule.PLACE)
    db.session.commit()
    others = [platform.id, *(a_platform(merchant, f"Amazon {n}", f"amazon-{n}").id for n in range(2, 4))]
    problems = []

    def work(platform_id):
        try:
            with app.app_context(), tenant(merchant.tenant_id):
                found = db.session.get_one(Platform, platform_id)
                for start in range(0, 40, 10):
                    page = [
                        an_order(f"o-{n}", **a_buyer(f"r-{platform_id}-{n}", name=f"Buyer {n % 20}"))
                        for n in range(start, start + 10)
                    ]
                    write(found, *page)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(id,)) for id in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert db.session.scalar(select(func.count()).select_from(Document)) == 120
    names = db.session.scalars(select(Address.name)).all()
    assert sorted(names) == sorted({f"Buyer {n}" for n in range(20)})


def wait_for_somebody_who_waits(app) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with app.app_context(), db.engine.connect() as connection:
        wait_until(lambda: connection.execute(waiting).scalar_one(), "Nobody waits.")


class TestPage:
    @pytest.fixture
    def desk(self, app, merchant, client_of):
        return Desk.of(app, merchant, client_of)

    def test_the_rule_is_picked_and_holds_from_then_on(self, desk):
        page = desk.open("/addresses/matching")
        assert page.fields["rule"] == "reference"
        assert desk.open("/addresses/").link("Matching") == "/addresses/matching"
        page = desk.do("/addresses/matching", rule="email")
        assert "The rule is saved." in page.words and page.fields["rule"] == "email"
        for number in (1, 2):
            desk.take(an_order(f"028-{number}", **a_buyer(f"r{number}", "a@example.com")))
        assert len({document.address_id for document in desk.documents().values()}) == 1

    def test_each_rule_says_what_it_means(self, desk):
        page = desk.open("/addresses/matching")
        hints = {id for box in page.all("input", name="rule") for id in box.attributes["aria-describedby"].split()}
        assert len(hints) == 3
        assert all(page.one("span", id=hint).words.endswith("customer.") for hint in hints)

    @pytest.mark.parametrize("wrong", ["", "telepathy"])
    def test_what_is_no_rule_is_refused_at_the_field(self, desk, wrong):
        page = desk.send("/addresses/matching", 422, rule=wrong)
        assert page.one("div", id="rule-error").words == "Not a valid choice."
        assert desk.open("/addresses/matching").fields["rule"] == "reference"

    def test_clerks_look_and_do_not_change(self, app, make_tenant, client_of):
        desk = Desk.of(app, make_tenant(role="clerk"), client_of)
        page = desk.open("/addresses/matching")
        assert all("disabled" in box.attributes for box in page.all("input", name="rule"))
        assert not any(button.words == "Save" for button in page.all("button"))
        assert desk.browser.post("/addresses/matching", data={"rule": "email"}).status_code == 403
