"""Tax rates over time, and what the EU's table has otherwise: pure rules, and the table itself."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from portal.masterdata.eu_rates import BEGINNING, COUNTRIES, RATES
from portal.masterdata.models import TaxClass
from portal.masterdata.periods import DAY, Rate, Step, differences

START = date(2024, 1, 1)


def a_rate(begin=0, end=None, rate="19", country="DE", tax_class=TaxClass.STANDARD):
    """A rate from so many days after START to so many days after it."""
    until = None if end is None else START + timedelta(end)
    return Rate(country, tax_class, START + timedelta(begin), until, Decimal(rate))


@st.composite
def histories(draw):
    """Rates of one country and class that do not overlap, some with gaps between them."""
    days = sorted(draw(st.sets(st.integers(0, 30), max_size=8)))
    found = []
    for begin, next_begin in pairwise([*days, None]):
        last = None if next_begin is None else next_begin - 1
        end = draw(st.sampled_from([last, begin if last is None else min(begin + 1, last)]))
        found.append(a_rate(begin, end, draw(st.sampled_from(["19", "20"]))))
    return found


def after(table, own):
    """One's own rates when the table was taken over."""
    rates = {rate.valid_from: rate for rate in own}
    for difference in differences(table, own):
        rates[difference.rate.valid_from] = difference.rate
    return list(rates.values())


class TestMeeting:
    @given(histories())
    def test_a_history_meets_itself_only(self, rates):
        for rate in rates:
            assert [other for other in rates if rate.meets(other)] == [rate]

    @given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
    def test_two_meet_if_and_only_if_a_day_is_in_both(self, begin, length, other_begin, other_length):
        one, other = a_rate(begin, begin + length), a_rate(other_begin, other_begin + other_length)
        days = [START + timedelta(day) for day in range(20)]
        assert one.meets(other) == any(one.holds_on(day) and other.holds_on(day) for day in days)

    def test_another_country_or_class_does_not_meet(self):
        assert a_rate().meets(a_rate())
        assert not a_rate().meets(a_rate(country="AT"))
        assert not a_rate().meets(a_rate(tax_class=TaxClass.REDUCED))


class TestDifferences:
    def test_what_is_not_there_is_new(self):
        assert [found.step for found in differences([a_rate()], [])] == [Step.NEW]

    def test_what_is_there_is_the_same(self):
        assert [found.step for found in differences([a_rate(rate="19")], [a_rate(rate="19.0")])] == [Step.SAME]

    def test_another_percentage_is_changed_and_says_what_it_was(self):
        (found,) = differences([a_rate(rate="20")], [a_rate(rate="19")])
        assert (found.step, found.rate.rate, found.before.rate) == (Step.CHANGED, 20, 19)

    def test_a_rate_that_ends_when_a_new_one_begins(self):
        ended, new = differences([a_rate(0, 9), a_rate(10, rate="20")], [a_rate(0)])
        assert (ended.step, ended.rate.valid_until) == (Step.ENDED, START + timedelta(9))
        assert (new.step, new.rate.rate) == (Step.NEW, 20)

    def test_ones_own_rate_that_holds_when_the_tables_begins_ends_the_day_before(self):
        ended, new = differences([a_rate(10)], [a_rate(0)])
        assert (ended.step, ended.rate.valid_until) == (Step.ENDED, START + timedelta(9))
        assert new.step == Step.NEW

    def test_ones_own_rate_of_a_later_day_stays(self):
        (found,) = differences([a_rate(0, rate="19")], [a_rate(0, 9, "19"), a_rate(10, rate="21")])
        assert found.step == Step.SAME

    @given(histories(), histories())
    def test_taken_over_nothing_overlaps_and_nothing_is_left_to_do(self, table, own):
        rates = after(table, own)
        for rate in rates:
            assert [other for other in rates if rate.meets(other)] == [rate]
        assert {found.step for found in differences(table, rates)} <= {Step.SAME}

    @given(histories(), histories())
    def test_no_rate_of_ones_own_vanishes(self, table, own):
        begins = {rate.valid_from for rate in table}
        kept = {rate.valid_from: rate for rate in after(table, own)}
        for rate in own:
            if rate.valid_from not in begins:
                assert kept[rate.valid_from].rate == rate.rate


class TestTable:
    def test_it_holds_the_27_member_states_and_northern_ireland_with_a_standard_rate_of_every_day(self):
        assert len(COUNTRIES) == 27 + len({"XI"} & set(COUNTRIES)) == 28
        for country in COUNTRIES:
            standard = [rate for rate in RATES if rate.subject == (country, TaxClass.STANDARD)]
            assert standard[0].valid_from == BEGINNING
            assert standard[-1].valid_until is None
            assert all(one.valid_until == other.valid_from - DAY for one, other in pairwise(standard))
            assert all(15 <= rate.rate <= 27 for rate in standard)  # the VAT Directive's least, Hungary's the most

    def test_no_two_rates_meet_and_a_reduced_one_is_below_the_standard(self):
        for rate in RATES:
            assert [other for other in RATES if rate.meets(other)] == [rate]
            if rate.tax_class != TaxClass.STANDARD:
                (standard,) = [
                    other
                    for other in RATES
                    if other.subject == (rate.country, TaxClass.STANDARD) and other.holds_on(rate.valid_from)
                ]
                assert 0 < rate.rate < standard.rate

    def test_days_on_which_a_rate_changed(self):
        def on(country, day, tax_class=TaxClass.STANDARD):
            found = [rate.rate for rate in RATES if rate.subject == (country, tax_class) and rate.holds_on(day)]
            return found[0] if found else None

        assert (on("FI", date(2024, 8, 31)), on("FI", date(2024, 9, 1))) == (24, Decimal("25.5"))
        assert (on("EE", date(2025, 6, 30)), on("EE", date(2025, 7, 1))) == (22, 24)
        assert (on("SK", date(2024, 12, 31)), on("SK", date(2025, 1, 1))) == (20, 23)
        assert (on("RO", date(2025, 7, 31)), on("RO", date(2025, 8, 1))) == (19, 21)
        assert on("RO", date(2025, 8, 1), TaxClass.SECOND_REDUCED) is None
        assert on("DK", date(2026, 1, 1), TaxClass.REDUCED) is None
        assert on("DE", date(2026, 1, 1), TaxClass.REDUCED) == 7
