"""What an order becomes, decided in memory."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.documents.models import LineKind
from portal.documents.plan import Draft, Held, NotWanted, Settings, clean, plan
from portal.order import Component, Party, Status
from tests.documents.builders import EPOCH, a_line, an_order

BERLIN = Settings(time_zone=ZoneInfo("Europe/Berlin"), freight_article="F-1")

amounts = st.decimals(min_value=0, max_value=10_000, places=2, allow_nan=False, allow_infinity=False)
kinds = st.sampled_from(["article", "shipping", "gift_wrap", "discount", "shipping_discount", "tip", "other", "tax"])


@st.composite
def components(draw):
    kind = draw(kinds)
    amount = draw(amounts)
    return Component(kind, -amount if "discount" in kind else amount)


@st.composite
def orders(draw):
    lines = []
    for number in range(draw(st.integers(1, 5))):
        parts = draw(st.lists(components(), min_size=1, max_size=5))
        total = sum((part.amount for part in parts), Decimal())
        lines.append(a_line(number, quantity=draw(st.integers(1, 99)), components=parts, total=total))
    return an_order(lines=lines, components=draw(st.lists(components(), max_size=3)))


@given(orders())
def test_the_lines_of_a_document_sum_to_the_marketplaces_total(order):
    draft = plan(order, BERLIN)
    assert isinstance(draft, Draft)
    assert sum(line.amount for line in draft.lines) == order.total == draft.total


@given(orders(), st.decimals(min_value="0.01", max_value=100, places=2))
def test_a_difference_of_a_cent_or_more_holds_the_order(order, difference):
    wrong = an_order(lines=order.lines, components=order.components, total=order.total + difference)
    held = plan(wrong, BERLIN)
    assert isinstance(held, Held)
    assert held.cause == "total"
    assert held.component


@given(st.text())
def test_cleaned_text_holds_nothing_that_breaks_a_label_or_the_database(text):
    cleaned = clean(text)
    assert "\x00" not in cleaned
    assert not any(character in "\r\n\t\u202e\ud800" for character in cleaned)
    cleaned.encode()
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "name",
    ["Käthe Groß", "Łukasz Żółć", "Иван Петров", "Ελένη", "محمد", "דוד", "山田 太郎", "김철수", "क्षमा", "O'Neil-Śmith"],
)
def test_names_in_every_script_stay_as_they_are(name):
    assert clean(name) == name


def test_a_line_that_does_not_add_up_is_named():
    line = a_line(components=[Component("article", Decimal("10.00"))], total=Decimal("12.50"))
    held = plan(an_order(lines=[line], total=Decimal("12.50")), BERLIN)
    assert isinstance(held, Held)
    assert "SKU-1" in held.reason and "12.50" in held.reason


def test_shipping_becomes_one_line_of_the_freight_item():
    line = a_line(
        components=[Component("article", Decimal("10.00")), Component("shipping", Decimal("4.00"))],
        total=Decimal("14.00"),
    )
    draft = plan(an_order(lines=[line, line], components=[Component("shipping", Decimal("1.00"))]), BERLIN)
    freight = [entry for entry in draft.lines if entry.kind == LineKind.FREIGHT]
    assert [(entry.article_number, entry.amount) for entry in freight] == [("F-1", Decimal("9.00"))]


def test_pending_and_cancelled_orders_become_nothing():
    for status in (Status.PENDING, Status.CANCELLED):
        assert isinstance(plan(an_order(status=status), BERLIN), NotWanted)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"currency": "XQQ"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"lines": []}, "no_lines"),
        ({"lines": [a_line(quantity=-1)]}, "quantity"),
        ({"lines": [a_line(quantity=10**12, components=[])], "total": Decimal(0)}, "quantity"),
        ({"total": None}, "no_total"),
        ({"delivery": Party()}, "no_address"),
        (
            {"lines": [a_line(components=[Component("article", Decimal("NaN"))], total=None)], "total": Decimal(1)},
            "amount",
        ),
        (
            {"lines": [a_line(components=[Component("article", Decimal("1E+99"))], total=None)], "total": Decimal(1)},
            "amount",
        ),
        (
            {"lines": [a_line(components=[Component("article", Decimal("1.234"))], total=None)], "total": Decimal(1)},
            "amount",
        ),
        ({"status": Status.UNREADABLE, "problem": "Nonsense."}, "unreadable"),
    ],
)
def test_an_order_that_cannot_become_a_document_is_held_with_its_cause(changes, cause):
    held = plan(an_order(**changes), BERLIN)
    assert isinstance(held, Held)
    assert held.cause == cause
    assert held.reason.endswith(".")


def test_a_replacement_costs_nothing_and_may_come_without_a_total():
    draft = plan(an_order(lines=[a_line(components=[], total=None)], total=None, replaces="028-1"), BERLIN)
    assert isinstance(draft, Draft)
    assert draft.total == 0


def test_an_fba_order_needs_no_full_address():
    assert isinstance(plan(an_order(fulfilled_by="marketplace", delivery=Party(city="Bonn")), BERLIN), Draft)


def test_the_documents_date_is_the_tenants_day():
    late = EPOCH.replace(hour=23, minute=30)
    assert plan(an_order(placed_at=late), BERLIN).document_date.day == EPOCH.day + 1


def test_ten_thousand_lines_become_ten_thousand_lines():
    draft = plan(an_order(lines=[a_line(number) for number in range(10_000)]), BERLIN)
    assert len(draft.lines) == 10_000


def test_yen_have_no_decimals():
    line = a_line(components=[Component("article", Decimal("10.50"))], total=Decimal("10.50"))
    assert isinstance(plan(an_order(lines=[line], currency="JPY"), BERLIN), Held)
