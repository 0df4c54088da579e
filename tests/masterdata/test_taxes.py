"""Tax codes, tax rates and the settings of taxes: what is taken, what is refused, and where that is said."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from portal.extensions import db
from portal.masterdata import eu_rates, rates, service
from portal.masterdata.countries import by_name
from portal.masterdata.models import TaxClass, TaxCode, TaxRate, TaxSettings
from portal.masterdata.periods import Rate, Step
from tests.conftest import SEED_RATES

SWISS = {
    "country": "",
    "other_country": "ch",
    "tax_class": "standard",
    "valid_from": "2024-01-01",
    "valid_until": "",
    "rate": "8,1",
}
HOME = {"home_country": "DE", "reverse_charge_code": "0", "export_code": "0", "collected_code": "0"}


@pytest.fixture(autouse=True)
def _with_the_eus_rates(app, monkeypatch):
    monkeypatch.setattr(service, "seed_rates", SEED_RATES)


def code_id(desk, code):
    with desk.inside():
        return str(db.session.scalars(select(TaxCode.id).where(TaxCode.code == code)).one())


def kept(desk, country="CH", tax_class=TaxClass.STANDARD):
    """The tenant's rates of a country and class: from, until, percent, code."""
    with desk.inside():
        rows = db.session.scalars(
            select(TaxRate)
            .where(TaxRate.country == country, TaxRate.tax_class == tax_class)
            .order_by(TaxRate.valid_from)
        )
        return [(row.valid_from, row.valid_until, row.rate, row.tax_code.code) for row in rows]


def refused(desk, path, field, **typed):
    """What is said at a field; what was typed stays."""
    answer = desk.send(path, 422, **typed)
    for name, value in typed.items():
        assert answer.fields[name] == value, name
    return answer.error_of(field)


@pytest.fixture
def swiss(desk):
    """A form for Switzerland's standard rate, with a tax code of its own."""
    desk.do("/masterdata/tax-codes/new", code="CH", name="Swiss VAT", active="y")
    return {**SWISS, "tax_code": code_id(desk, "CH")}


class TestCodes:
    def test_a_new_one_stands_in_the_list(self, desk):
        page = desk.do("/masterdata/tax-codes/new", code=" UST 19 ", name="Umsatzsteuer", active="y")
        assert page.one("h1").words == "Tax codes"
        page = desk.open("/masterdata/tax-codes/", q="ust 19")
        assert page.rows == [["UST 19", "Umsatzsteuer", "Active", "–"]]

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("", "This field is required."),
            ("x" * 21, "Field cannot be longer than 20 characters."),
            ("DE 19", "The tax code “DE 19” is there already."),
        ],
    )
    def test_a_code_that_cannot_be_is_refused_at_the_field(self, desk, code, said):
        assert refused(desk, "/masterdata/tax-codes/new", "code", code=code, name="Typed") == said

    def test_one_is_changed_but_not_to_anothers_code(self, desk):
        path = f"/masterdata/tax-codes/{code_id(desk, 'DE 19')}"
        assert "already" in refused(desk, path, "code", code="DE 7", name="Typed")
        page = desk.do(path, code="8400", name="Erlöse", active="y")
        assert ["8400", "Erlöse", "Active", "1 tax rate"] in page.rows

    def test_one_that_a_rate_uses_is_switched_off_not_removed(self, desk):
        path = f"/masterdata/tax-codes/{code_id(desk, 'DE 19')}"
        page = desk.do(f"{path}/delete")
        assert "“DE 19” is used and stays: 1 tax rate. You can switch it off instead." in page.words
        desk.do(path, code="DE 19", name="")
        assert ("DE 19", "Off") in {(row[0], row[2]) for row in desk.open("/masterdata/tax-codes/").rows}

    def test_one_that_the_settings_use_is_not_removed(self, desk):
        desk.do("/masterdata/tax-codes/new", code="RC", active="y")
        id = code_id(desk, "RC")
        desk.do("/masterdata/taxes", home_country="DE", reverse_charge_code=id, export_code=id, collected_code="0")
        page = desk.do(f"/masterdata/tax-codes/{id}/delete")
        assert "“RC” is used and stays: reverse charge, export." in page.words

    def test_one_that_nothing_uses_is_removed(self, desk):
        desk.do("/masterdata/tax-codes/new", code="GONE", active="y")
        page = desk.do(f"/masterdata/tax-codes/{code_id(desk, 'GONE')}/delete")
        assert "The tax code is removed." in page.words
        assert "GONE" not in {row[0] for row in page.rows}

    def test_one_that_is_switched_off_is_offered_only_where_it_is_used(self, desk, swiss):
        desk.do("/masterdata/tax-rates/new", **swiss)
        desk.do(f"/masterdata/tax-codes/{swiss['tax_code']}", code="CH", name="")
        with desk.inside():
            rate = db.session.scalars(select(TaxRate.id).where(TaxRate.country == "CH")).one()
        assert desk.open(f"/masterdata/tax-rates/{rate}").fields["tax_code"] == swiss["tax_code"]
        desk.do(f"/masterdata/tax-rates/{rate}", **swiss | {"rate": "8.2"})
        words = desk.open("/masterdata/tax-rates/new").one("select", name="tax_code").words
        assert "CH" not in words.split()
        desk.send("/masterdata/tax-rates/new", 422, **swiss | {"tax_class": "reduced"})


class TestRates:
    def test_a_rate_of_any_country_is_kept_with_a_comma_or_a_point(self, desk, swiss):
        page = desk.do("/masterdata/tax-rates/new", **swiss)
        assert page.rows == [["Switzerland", "Standard", "Jan 1, 2024", "–", "Holds today", "8.1 %", "CH"]]
        desk.do("/masterdata/tax-rates/new", **swiss | {"tax_class": "reduced", "rate": "2.6"})
        assert kept(desk, tax_class=TaxClass.REDUCED) == [(date(2024, 1, 1), None, Decimal("2.6"), "CH")]

    @pytest.mark.parametrize(
        ("change", "field", "said"),
        [
            ({"other_country": ""}, "other_country", "Type the two letters of a country, such as CH."),
            ({"other_country": "EU"}, "other_country", "Type the two letters of a country, such as CH."),
            ({"other_country": "Schweiz"}, "other_country", "Type the two letters of a country, such as CH."),
            ({"country": "DE"}, "other_country", "Leave this empty, or choose “Another country” beside it."),
            ({"valid_from": ""}, "valid_from", "This field is required."),
            ({"valid_from": "soon"}, "valid_from", "Not a valid date value."),
            ({"valid_until": "2023-12-31"}, "valid_until", "The last day lies before the first one."),
            ({"rate": ""}, "rate", "This field is required."),
            ({"rate": "much"}, "rate", "Not a valid decimal value."),
            ({"rate": "sNaN"}, "rate", "Not a valid decimal value."),
            ({"rate": "Infinity"}, "rate", "Not a valid decimal value."),
            ({"rate": "100,1"}, "rate", "Number must be between 0 and 100."),
            ({"rate": "-1"}, "rate", "Number must be between 0 and 100."),
            ({"rate": "9" * 400}, "rate", "Number must be between 0 and 100."),
            ({"rate": "8.1234"}, "rate", "A rate has at most 3 decimals."),
            ({"tax_code": "0"}, "tax_code", "Choose a tax code, or make one first."),
        ],
    )
    def test_what_cannot_be_is_said_at_its_field_and_what_was_typed_stays(self, desk, swiss, change, field, said):
        assert said in refused(desk, "/masterdata/tax-rates/new", field, **swiss | change)
        assert kept(desk) == []

    def test_a_code_or_class_that_is_not_offered_is_refused(self, desk, swiss):
        for change in ({"tax_code": "999999999"}, {"tax_code": "x"}, {"tax_class": "luxury"}, {"country": "XX"}):
            desk.send("/masterdata/tax-rates/new", 422, **swiss | change)
        assert kept(desk) == []

    def test_a_new_rate_ends_the_one_before_on_the_day_before(self, desk, swiss):
        assert desk.open("/masterdata/tax-rates/new").fields["end_previous"] == "y"
        desk.do("/masterdata/tax-rates/new", **swiss)
        desk.do("/masterdata/tax-rates/new", **swiss | {"valid_from": "2027-01-01", "rate": "8.5"}, end_previous="y")
        assert [(begin, end) for begin, end, *_rest in kept(desk)] == [
            (date(2024, 1, 1), date(2026, 12, 31)),
            (date(2027, 1, 1), None),
        ]

    def test_without_the_tick_it_is_refused_and_the_other_period_named(self, desk, swiss):
        desk.do("/masterdata/tax-rates/new", **swiss)
        later = swiss | {"valid_from": "2027-01-01", "rate": "8.5"}
        said = refused(desk, "/masterdata/tax-rates/new", "valid_from", **later)
        assert said == "A rate of 8.1 % holds from Jan 1, 2024 on. End it first, or choose other days."
        assert "end_previous" not in desk.send("/masterdata/tax-rates/new", 422, **later).fields
        assert [(begin, end) for begin, end, *_rest in kept(desk)] == [(date(2024, 1, 1), None)]

    def test_what_was_ended_for_a_refused_rate_is_not_ended(self, desk, swiss):
        desk.do("/masterdata/tax-rates/new", **swiss | {"valid_until": "2026-12-31"})
        desk.do("/masterdata/tax-rates/new", **swiss | {"valid_from": "2027-01-01", "valid_until": "2027-12-31"})
        said = refused(
            desk, "/masterdata/tax-rates/new", "valid_from", **swiss | {"valid_from": "2026-06-01", "end_previous": "y"}
        )
        assert said == "A rate of 8.1 % holds from Jan 1, 2027 to Dec 31, 2027. Choose other days."
        assert kept(desk)[0][1] == date(2026, 12, 31)

    def test_a_rate_is_changed_but_not_into_anothers_days(self, desk, swiss):
        desk.do("/masterdata/tax-rates/new", **swiss | {"valid_until": "2026-12-31"})
        desk.do("/masterdata/tax-rates/new", **swiss | {"valid_from": "2027-01-01"})
        with desk.inside():
            first = db.session.scalars(
                select(TaxRate.id).where(TaxRate.country == "CH").order_by(TaxRate.valid_from)
            ).first()
        path = f"/masterdata/tax-rates/{first}"
        fields = desk.open(path).fields
        assert (fields["country"], fields["other_country"], fields["rate"]) == ("", "CH", "8.1")
        assert "end_previous" not in fields
        assert "from Jan 1, 2027 on" in refused(desk, path, "valid_from", **swiss)
        desk.do(path, **swiss | {"valid_until": "2025-12-31", "rate": "8"})
        assert kept(desk)[0][:3] == (date(2024, 1, 1), date(2025, 12, 31), 8)

    def test_a_rate_is_removed(self, desk, swiss):
        desk.do("/masterdata/tax-rates/new", **swiss)
        with desk.inside():
            id = db.session.scalars(select(TaxRate.id).where(TaxRate.country == "CH")).one()
        assert "The tax rate is removed." in desk.do(f"/masterdata/tax-rates/{id}/delete").words
        assert kept(desk) == []

    def test_the_list_is_paged_and_filtered_by_country(self, desk):
        page = desk.open("/masterdata/tax-rates/")
        assert len(page.rows) == 50
        seen = page.rows
        while page.all("a", rel="next"):
            page = desk.open(page.link("Next"))
            seen += page.rows
        with desk.inside():
            assert len(seen) == db.session.scalar(select(func.count()).select_from(TaxRate)) == len(eu_rates.RATES)
        assert len({tuple(row[:3]) for row in seen}) == len(seen)
        finland = desk.open("/masterdata/tax-rates/?country=FI").rows
        assert [row[1:4] for row in finland[:2]] == [
            ["Standard", "Jul 1, 2021", "Aug 31, 2024"],
            ["Standard", "Sep 1, 2024", "–"],
        ]
        assert {row[0] for row in finland} == {"Finland"}
        assert len(desk.open("/masterdata/tax-rates/?country=nowhere").rows) == 50
        assert "No tax rate matches" in desk.open("/masterdata/tax-rates/?country=CH").words

    @pytest.mark.parametrize(
        "key", ["x", "WyJERSIsMCwieCJd", "WyJERSIsMCwxXQ", "WyJERSIsMTA5OTUxMTYyNzc3NiwiMjAyNi0wMS0wMSJd"]
    )
    def test_a_page_that_never_was_is_the_first(self, desk, key):
        assert len(desk.open(f"/masterdata/tax-rates/?after={key}").rows) == 50

    def test_a_clerk_looks_and_an_administrator_changes(self, clerk):
        assert len(clerk.open("/masterdata/tax-rates/").rows) == 50
        assert len(clerk.open("/masterdata/tax-codes/").rows) == 50
        with clerk.inside():
            rate, code = db.session.scalars(select(TaxRate.id)).first(), db.session.scalars(select(TaxCode.id)).first()
        for kind, id in (("tax-rates", rate), ("tax-codes", code)):
            for path in (f"/masterdata/{kind}/new", f"/masterdata/{kind}/{id}"):
                assert clerk.browser.get(path).status_code == clerk.browser.post(path).status_code == 403
            assert clerk.browser.post(f"/masterdata/{kind}/{id}/delete").status_code == 403
        for path in ("/masterdata/tax-rates/eu",):
            assert clerk.browser.get(path).status_code == clerk.browser.post(path).status_code == 403


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(1, 28), st.one_of(st.none(), st.integers(1, 28)), st.booleans()), min_size=1, max_size=6
    )
)
def test_whatever_is_added_no_two_rates_hold_on_one_day(desk, added):
    with desk.inside():
        code = db.session.scalars(select(TaxCode.id)).first()
        for begin, end, end_previous in added:
            until = date(2026, 1, max(begin, end)) if end else None
            rate = Rate("CH", TaxClass.ZERO, date(2026, 1, begin), until, Decimal(0))
            try:
                with db.session.begin_nested():
                    rates.create_rate(rate, code, end_previous)
            except rates.PeriodTaken:
                pass
        written = [rates.rate_of(row) for row in db.session.scalars(select(TaxRate).where(TaxRate.country == "CH"))]
        assert written
        for rate in written:
            assert [other for other in written if rate.meets(other)] == [rate]
        db.session.rollback()


class TestTakingOver:
    def test_a_new_tenant_has_all_and_nothing_is_left_to_do(self, desk):
        with desk.inside():
            assert {found.step for found in rates.comparison()} == {Step.SAME}
            assert db.session.scalar(select(TaxCode.name).where(TaxCode.code == "FR 5.5")) == "VAT France 5.5 %"
        assert kept(desk, "FI")[-1] == (date(2024, 9, 1), None, Decimal("25.5"), "FI 25.5")
        page = desk.open("/masterdata/tax-rates/eu")
        assert "there is nothing to take over" in page.words
        assert page.all("input", type="checkbox") == []

    def test_a_tenant_costs_a_few_statements_however_many_rates_there_are(self, desk):
        with desk.inside():
            for row in (*db.session.scalars(select(TaxRate)), *db.session.scalars(select(TaxCode))):
                db.session.delete(row)
            db.session.flush()
            statements = []

            def note(*call):
                statements.append(call[2])

            event.listen(db.engine, "before_cursor_execute", note)
            service.seed_rates()
            event.remove(db.engine, "before_cursor_execute", note)
            assert len(statements) <= 6, statements
            db.session.rollback()

    def test_what_differs_is_shown_and_only_what_is_ticked_is_changed(self, desk):
        with desk.inside():
            for row in db.session.scalars(select(TaxRate)):
                if row.country == "FI" and row.tax_class == TaxClass.STANDARD:
                    if row.valid_until is None:
                        db.session.delete(row)
                    else:
                        row.valid_until = None
                if row.country == "DE" and row.tax_class == TaxClass.REDUCED:
                    row.rate = Decimal(6)
            db.session.commit()
        page = desk.open("/masterdata/tax-rates/eu")
        assert {box.attributes["value"] for box in page.all("input", type="checkbox")} == {"DE", "FI"}
        finland = next(row for row in page.rows if row[0] == "Finland")
        assert "Standard Jul 1, 2021 – Aug 31, 2024: 24 % (before: Jul 1, 2021 – …)" in finland[1]
        assert "Standard Sep 1, 2024 – …: 25.5 %" in finland[1]
        assert finland[2:] == ["1", "0", "1", "3"]
        assert "Reduced Jul 1, 2021 – …: 6 % → 7 %" in next(row for row in page.rows if row[0] == "Germany")[1]
        words = desk.do("/masterdata/tax-rates/eu", country="FI").words
        assert "Taken over: 1 new, 0 changed, 1 ended." in words
        assert [row[:3] for row in kept(desk, "FI")] == [
            (date(2021, 7, 1), date(2024, 8, 31), 24),
            (date(2024, 9, 1), None, Decimal("25.5")),
        ]
        assert kept(desk, "DE", TaxClass.REDUCED)[0][2] == 6
        desk.do("/masterdata/tax-rates/eu", country="DE")
        assert kept(desk, "DE", TaxClass.REDUCED)[0][2:] == (7, "DE 7")

    def test_nothing_ticked_changes_nothing_and_says_so(self, desk):
        for form in ({}, {"country": "XX"}):
            assert "tick at least one country" in desk.send("/masterdata/tax-rates/eu", 422, **form).words

    def test_a_code_that_is_used_for_the_rate_is_used_again(self, desk):
        with desk.inside():
            code = db.session.scalars(select(TaxCode).where(TaxCode.code == "FI 10")).one()
            code.code = "Suomi"
            zero = Rate("FI", TaxClass.ZERO, date(2026, 1, 1), None, Decimal("25.5"))
            own = service.create_code("OWN", "", True)
            for row in db.session.scalars(select(TaxRate).where(TaxRate.country == "FI", TaxRate.rate == 25)):
                db.session.delete(row)
            for row in db.session.scalars(
                select(TaxRate).where(TaxRate.country == "FI", TaxRate.tax_class == TaxClass.STANDARD)
            ):
                db.session.delete(row)
            rates.create_rate(zero, own.id)
            db.session.commit()
        desk.do("/masterdata/tax-rates/eu", country="FI")
        assert [row[2:] for row in kept(desk, "FI")] == [(24, "FI 24"), (Decimal("25.5"), "OWN")]

    def test_ones_own_rate_of_a_later_day_stays(self, desk):
        form = {"country": "DE", "other_country": "", "tax_class": "standard", "valid_until": "", "end_previous": "y"}
        form |= {"valid_from": "2030-01-01", "rate": "21", "tax_code": code_id(desk, "DE 19")}
        desk.do("/masterdata/tax-rates/new", **form)
        with desk.inside():
            assert {found.step for found in rates.comparison()} == {Step.SAME}
        desk.do("/masterdata/tax-rates/eu", country="DE")
        assert [row[:3] for row in kept(desk, "DE")] == [
            (date(2021, 7, 1), date(2029, 12, 31), 19),
            (date(2030, 1, 1), None, 21),
        ]


class TestSettings:
    def test_without_a_home_country_it_says_that_no_tax_is_computed(self, desk):
        page = desk.open("/masterdata/taxes")
        assert page.fields["home_country"] == ""
        assert "No home country is set: no tax is computed" in page.words
        assert "No home country is set" not in desk.do("/masterdata/taxes", **HOME).words

    def test_they_are_kept(self, desk):
        ids = {name: code_id(desk, code) for name, code in (("export_code", "AT 10"), ("collected_code", "AT 13"))}
        page = desk.do("/masterdata/taxes", **HOME | ids, one_stop_shop="y")
        assert "The settings are saved." in page.words
        with desk.inside():
            row = db.session.scalars(select(TaxSettings)).one()
            assert (row.home_country, row.one_stop_shop, row.reverse_charge_code_id) == ("DE", True, None)
            assert (str(row.export_code_id), str(row.collected_code_id)) == (ids["export_code"], ids["collected_code"])
        desk.do("/masterdata/taxes", **HOME | {"home_country": ""})
        with desk.inside():
            row = db.session.scalars(select(TaxSettings)).one()
            assert (row.home_country, row.one_stop_shop, row.export_code_id) == ("", False, None)

    @pytest.mark.parametrize(
        ("field", "typed"), [("home_country", "XX"), ("export_code", "999999999"), ("collected_code", "x")]
    )
    def test_what_is_not_offered_is_refused_and_nothing_is_saved(self, desk, field, typed):
        answer = desk.send("/masterdata/taxes", 422, **HOME | {field: typed})
        assert answer.error_of(field)
        assert desk.open("/masterdata/taxes").fields["home_country"] == ""

    def test_a_country_with_a_rate_of_its_own_may_be_home(self, desk, swiss):
        desk.send("/masterdata/taxes", 422, **HOME | {"home_country": "CH"})
        desk.do("/masterdata/tax-rates/new", **swiss)
        desk.do("/masterdata/taxes", **HOME | {"home_country": "CH"})
        assert desk.open("/masterdata/tax-rates/new").fields["country"] != "CH"

    def test_a_code_that_is_switched_off_stays_where_it_is_set(self, desk):
        desk.do("/masterdata/tax-codes/new", code="EXP", active="y")
        id = code_id(desk, "EXP")
        desk.do("/masterdata/taxes", **HOME | {"export_code": id})
        desk.do(f"/masterdata/tax-codes/{id}", code="EXP", name="")
        assert desk.open("/masterdata/taxes").fields["export_code"] == id
        desk.do("/masterdata/taxes", **HOME | {"export_code": id})
        desk.do("/masterdata/taxes", **HOME)
        desk.send("/masterdata/taxes", 422, **HOME | {"export_code": id})

    def test_a_clerk_sees_them_and_changes_nothing(self, clerk):
        page = clerk.open("/masterdata/taxes")
        assert page.grid["Home country"] == "None: no tax is computed"
        assert page.grid["Tax code for exports"] == "–"
        assert clerk.browser.post("/masterdata/taxes", data=HOME).status_code == 403


def test_countries_stand_where_a_german_reader_looks_for_them(app):
    with app.test_request_context("/", headers={"Accept-Language": "de"}):
        names = [name for _code, name in by_name(["ES", "AT", "DE", "DK", "NL", "PL"])]
    assert names == ["Dänemark", "Deutschland", "Niederlande", "Österreich", "Polen", "Spanien"]
