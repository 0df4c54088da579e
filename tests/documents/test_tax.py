"""Taxes: which case an order is, at which rate; lines, tax and total agree with the marketplace to the cent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.documents.models import LineKind
from portal.documents.plan import Articles, Draft, Held, Settings, plan
from portal.documents.tax import Rate, TaxCase, Taxes, contained, country_of_vat_id
from portal.masterdata.eu_rates import COUNTRIES
from portal.masterdata.models import TaxClass
from portal.order import Component, Party
from tests.documents.builders import a_line, an_order

CHANGE = date(2026, 11, 1)  # the day from which the second of each pair of rates holds
RATES = {
    ("DE", TaxClass.STANDARD): ("16", "19"),
    ("DE", TaxClass.REDUCED): ("5", "7"),
    ("FR", TaxClass.STANDARD): ("19.6", "20"),
    ("FR", TaxClass.REDUCED): ("7", "5.5"),
    ("FI", TaxClass.STANDARD): ("24", "25.5"),
    ("FI", TaxClass.REDUCED): ("14", "13.5"),
    ("XI", TaxClass.STANDARD): ("20", "20"),
}
CODES = {TaxCase.REVERSE_CHARGE: "RC", TaxCase.EXPORT: "EX", TaxCase.COLLECTED: "MP"}
FRENCH, GERMAN, GREEK = "FR40303265045", "DE136695976", "EL094259216"
NORTHERN_IRISH = "XI110305878"
ARTICLES = Articles(classes={"SKU-1": TaxClass.STANDARD, "SKU-2": TaxClass.REDUCED})


def taxes(home="DE", one_stop_shop=True):
    rates = {
        key: (
            Rate(Decimal(before), f"{key[0]} {before}", valid_until=CHANGE - timedelta(days=1)),
            Rate(Decimal(after), f"{key[0]} {after}", valid_from=CHANGE),
        )
        for key, (before, after) in RATES.items()
    }
    return Taxes(home, one_stop_shop, rates, CODES)


def settings(**changes):
    return Settings(ZoneInfo("Europe/Berlin"), articles=ARTICLES, taxes=taxes(**changes))


def an_order_to(country, vat_id="", postal_code="", **changes):
    delivery = Party(name="K", street="S 1", postal_code=postal_code, city="C", country=country)
    buyer = Party(name="K", vat_id=vat_id)
    return an_order(delivery=delivery, buyer=buyer, **changes)


class TestCases:
    @pytest.mark.parametrize(
        ("country", "vat_id", "one_stop_shop", "case", "code"),
        [
            ("DE", "", True, TaxCase.DOMESTIC, "DE 19"),
            ("DE", GERMAN, True, TaxCase.DOMESTIC, "DE 19"),
            ("DE", FRENCH, True, TaxCase.DOMESTIC, "DE 19"),  # the goods do not leave the country
            ("FR", "", True, TaxCase.ONE_STOP_SHOP, "FR 20"),
            ("FR", "", False, TaxCase.DOMESTIC, "DE 19"),
            ("FR", FRENCH, True, TaxCase.REVERSE_CHARGE, "RC"),
            ("FR", GREEK, False, TaxCase.REVERSE_CHARGE, "RC"),
            ("FR", GERMAN, True, TaxCase.ONE_STOP_SHOP, "FR 20"),  # registered at home only
            ("FR", "FR12345678901", True, TaxCase.ONE_STOP_SHOP, "FR 20"),  # the check digits are wrong
            ("FR", "12 345", True, TaxCase.ONE_STOP_SHOP, "FR 20"),
            ("GB", "", True, TaxCase.EXPORT, "EX"),
            ("CH", "CHE-107.787.577", True, TaxCase.EXPORT, "EX"),
        ],
    )
    def test_country_and_buyer_decide(self, country, vat_id, one_stop_shop, case, code):
        draft = plan(an_order_to(country, vat_id), settings(one_stop_shop=one_stop_shop))
        assert (draft.tax_case, draft.lines[0].tax_code) == (case, code)
        assert (draft.tax == 0) == (case in (TaxCase.REVERSE_CHARGE, TaxCase.EXPORT))

    @pytest.mark.parametrize(
        ("home", "country", "postal_code", "vat_id", "case", "code"),
        [
            ("DE", "FI", "22100", "", TaxCase.EXPORT, "EX"),  # Åland
            ("DE", "FI", "21100", "", TaxCase.ONE_STOP_SHOP, "FI 25.5"),
            ("DE", "FI", "22100", FRENCH, TaxCase.EXPORT, "EX"),
            ("DE", "DE", "D-27498", "", TaxCase.EXPORT, "EX"),  # Heligoland: not even at home
            ("DE", "MC", "98000", "", TaxCase.ONE_STOP_SHOP, "FR 20"),
            ("FR", "MC", "98000", "", TaxCase.DOMESTIC, "FR 20"),
            ("FR", "FR", "97400", "", TaxCase.EXPORT, "EX"),
            ("DE", "GB", "BT1 1AA", "", TaxCase.ONE_STOP_SHOP, "XI 20"),
            ("DE", "GB", "BT1 1AA", NORTHERN_IRISH, TaxCase.REVERSE_CHARGE, "RC"),
            ("DE", "GB", "BS1 1AA", NORTHERN_IRISH, TaxCase.EXPORT, "EX"),
        ],
    )
    def test_what_bears_a_countrys_code_may_lie_outside_or_count_as_another(
        self, home, country, postal_code, vat_id, case, code
    ):
        draft = plan(an_order_to(country, vat_id, postal_code), settings(home=home))
        assert (draft.tax_case, draft.lines[0].tax_code) == (case, code)

    def test_what_the_marketplace_collects_is_its_own(self):
        line = a_line(components=[Component("article", Decimal("19.99"), Decimal("3.11"))], tax_collected=True)
        draft = plan(an_order_to("US", lines=[line]), settings())
        assert draft.tax_case == TaxCase.COLLECTED
        assert (draft.lines[0].tax_code, draft.lines[0].tax_rate, draft.tax) == ("MP", None, Decimal("3.11"))

    def test_without_a_home_country_nothing_is_computed(self):
        draft = plan(an_order_to("FR"), settings(home=""))
        assert (draft.tax_case, draft.tax, draft.lines[0].tax) == (TaxCase.NOT_COMPUTED, None, None)

    def test_a_missing_rate_holds_the_order_and_is_named(self):
        held = plan(an_order_to("PL"), settings())
        assert isinstance(held, Held) and held.cause == "no_tax_rate"
        assert "PL, class “standard”, on 2026-11-01" in held.reason

    def test_freight_is_taxed_as_the_largest_article(self):
        lines = [
            a_line(
                1, components=[Component("article", Decimal(5)), Component("shipping", Decimal(3))], total=Decimal(8)
            ),
            a_line(2, "20.00"),
        ]
        draft = plan(an_order_to("DE", lines=lines), settings())
        assert [(line.kind, line.tax_code) for line in draft.lines] == [
            (LineKind.ARTICLE, "DE 19"),
            (LineKind.ARTICLE, "DE 7"),
            (LineKind.FREIGHT, "DE 7"),
        ]

    def test_the_day_in_the_tenants_zone_decides(self):
        midnight = datetime(2026, 10, 31, 23, 0, tzinfo=UTC)  # the first of November in Berlin
        assert plan(an_order_to("DE", placed_at=midnight), settings()).lines[0].tax_code == "DE 19"
        before = midnight - timedelta(seconds=1)
        assert plan(an_order_to("DE", placed_at=before), settings()).lines[0].tax_code == "DE 16"


class TestAgainstTheMarketplace:
    def test_more_than_a_cent_holds_the_order_and_says_both(self):
        line = a_line(components=[Component("article", Decimal("119.00"), Decimal("19.02"))], total=Decimal("119.00"))
        held = plan(an_order_to("DE", lines=[line]), settings())
        assert isinstance(held, Held) and (held.cause, held.component) == ("tax", "tax")
        assert "19.00 EUR at your 19 %" in held.reason and "says 19.02 EUR" in held.reason

    def test_a_cent_is_rounding_and_the_marketplace_is_right(self):
        line = a_line(components=[Component("article", Decimal("119.00"), Decimal("19.01"))], total=Decimal("119.00"))
        assert plan(an_order_to("DE", lines=[line]), settings()).tax == Decimal("19.01")

    def test_tax_that_stands_for_itself_is_compared_as_a_whole(self):
        parts = [Component("article", Decimal("100"), Decimal()), Component("tax", Decimal("19"), Decimal("19"))]
        line = a_line(components=parts, total=Decimal("119"))
        assert plan(an_order_to("DE", lines=[line]), settings()).tax == Decimal("19.00")
        parts = [Component("article", Decimal("100"), Decimal()), Component("tax", Decimal("7"), Decimal("7"))]
        held = plan(an_order_to("DE", lines=[a_line(components=parts, total=Decimal("107"))]), settings())
        assert isinstance(held, Held) and "says 7 EUR" in held.reason

    def test_tax_where_there_should_be_none_holds_the_order(self):
        line = a_line(components=[Component("article", Decimal("19.99"), Decimal("3.33"))])
        assert plan(an_order_to("FR", FRENCH, lines=[line]), settings()).cause == "tax"


def independently(country, vat_id, one_stop_shop, tax_class, day):
    """The rate in percent, by other means: a table of cases as a tax adviser would write it."""
    if country not in COUNTRIES:
        return Fraction(0)
    if country != "DE" and vat_id in (FRENCH, GREEK):
        return Fraction(0)
    taxed_in = country if country != "DE" and one_stop_shop else "DE"
    return Fraction(RATES[taxed_in, tax_class][day >= CHANGE])


cents = st.integers(1, 10_000_00).map(lambda amount: Decimal(amount) / 100)


@given(
    country=st.sampled_from(["DE", "FR", "FI", "GB", "US"]),
    vat_id=st.sampled_from(["", FRENCH, GERMAN, GREEK, "nonsense"]),
    one_stop_shop=st.booleans(),
    days=st.integers(-3, 3),
    prices=st.lists(st.tuples(st.sampled_from([1, 2]), cents, st.integers(1, 9)), min_size=1, max_size=6),
    freight=st.none() | cents,
    told=st.booleans(),
)
def test_lines_tax_and_total_agree_to_the_cent(country, vat_id, one_stop_shop, days, prices, freight, told):
    day = CHANGE + timedelta(days=days)

    def tax_in(amount, tax_class):
        percent = independently(country, vat_id, one_stop_shop, tax_class, day)
        exact = Fraction(amount) * percent / (100 + percent)
        return Decimal(exact.numerator * 1000 // exact.denominator).scaleb(-3).quantize(Decimal("0.01"), ROUND_HALF_UP)

    classes = {1: TaxClass.STANDARD, 2: TaxClass.REDUCED}
    lines, expected = [], []
    for number, price, quantity in prices:
        amount = price * quantity
        tax = tax_in(amount, classes[number])
        expected.append(tax)
        component = Component("article", amount, tax if told else None)
        lines.append(a_line(number, str(price), quantity, components=[component]))
    components = []
    if freight is not None:
        main = max(range(len(lines)), key=lambda place: (lines[place].components[0].amount, -place))
        tax = tax_in(freight, classes[prices[main][0]])
        expected.append(tax)
        components.append(Component("shipping", freight, tax if told else None))
    order = an_order_to(
        country,
        vat_id,
        lines=lines,
        components=components,
        placed_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
    )
    draft = plan(order, settings(one_stop_shop=one_stop_shop))
    assert isinstance(draft, Draft)
    assert draft.total == order.total == sum(line.amount for line in draft.lines)
    assert [line.tax for line in draft.lines] == expected
    assert draft.tax == sum(expected)


@given(amount=cents, percent=st.integers(0, 300).map(lambda tenth: Decimal(tenth) / 10))
def test_net_and_tax_make_the_gross_amount(amount, percent):
    tax = contained(amount, percent, 2)
    assert 0 <= tax <= amount
    assert abs((amount - tax) * percent / 100 - tax) <= Decimal("0.01")


@pytest.mark.parametrize(
    ("vat_id", "country"),
    [
        (FRENCH, "FR"),
        ("fr 40 303265045", "FR"),
        (GREEK, "GR"),
        (GERMAN, "DE"),
        (NORTHERN_IRISH, "XI"),
        ("EU372000041", ""),  # a seller of a one-stop shop, of no member state
        ("DE123456789", ""),
        ("", ""),
        ("X", ""),
    ],
)
def test_a_vat_id_names_its_country_only_if_its_digits_are_right(vat_id, country):
    assert country_of_vat_id(vat_id) == country
