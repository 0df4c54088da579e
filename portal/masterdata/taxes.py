"""The pages of taxes: codes, rates, and where the tenant pays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_timezone
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from htmx_flask import request
from sqlalchemy.orm import joinedload
from wtforms import SelectField

from portal.documents.trial import Trial, try_out_all
from portal.extensions import db
from portal.listings.actions import removal, switches
from portal.listings.listing import list_at
from portal.listings.records import records
from portal.lists import SMALL_ID, Filter, Sort
from portal.masterdata import eu_rates, rates, service
from portal.masterdata.blueprint import bp
from portal.masterdata.columns import TIMES, of_codes, of_rates
from portal.masterdata.countries import by_name, country_name, is_country
from portal.masterdata.forms import TAX_CLASSES, CodeForm, RateForm, SettingsForm
from portal.masterdata.models import TaxCode, TaxRate, TaxSettings
from portal.masterdata.periods import Difference, Step
from portal.masterdata.territories import NORTHERN_IRELAND
from portal.presentation import address_of
from portal.tenants.access import require
from portal.tenants.models import Role
from portal.typed import choices

# Codes


@list_at(bp, "/tax-codes/")
def codes() -> ResponseReturnValue:
    new = url_for("masterdata.new_code") if current_user.may(Role.ADMIN) else None
    listing = records(
        _("Tax codes"),
        "masterdata.codes",
        TaxCode,
        of_codes(service.code_uses()),
        (Sort("code", (TaxCode.code,)), Sort("name", (TaxCode.name, TaxCode.id))),
        (TaxCode.code, TaxCode.name),
        address_of("masterdata.show_code") if new else None,
        actions=(*switches(TaxCode), removal(TaxCode, service.delete_code)) if new else (),
    )
    purpose = _("A tax code is what your bookkeeping calls a tax; each tax rate has one.")
    return listing.answer(
        "masterdata/codes.html",
        "listings/_plain.html",
        nothing=(_("No tax code yet"), purpose, new, _("New tax code"), "list-check"),
    )


@bp.get("/tax-codes/new")
def new_code() -> ResponseReturnValue:
    require(Role.ADMIN)
    return _code_page(CodeForm(formdata=None))


@bp.post("/tax-codes/new")
def create_code() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = CodeForm()
    if form.accepts(lambda: service.create_code(form.code.data or "", form.name.data or "", form.active.data)):
        flash(_("The tax code is saved."), "success")
        return redirect(url_for("masterdata.codes"))
    return _code_page(form), 422


@bp.get(f"/tax-codes/{SMALL_ID}")
def show_code(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    code: TaxCode = db.get_or_404(TaxCode, id)
    return _code_page(CodeForm(formdata=None, obj=code), code)


@bp.post(f"/tax-codes/{SMALL_ID}")
def update_code(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    code: TaxCode = db.get_or_404(TaxCode, id)
    form = CodeForm()
    if form.accepts(lambda: service.update_code(code, form.code.data or "", form.name.data or "", form.active.data)):
        flash(_("The tax code is saved."), "success")
        return redirect(url_for("masterdata.codes"))
    return _code_page(form, code), 422


@bp.post(f"/tax-codes/{SMALL_ID}/delete")
def delete_code(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    code: TaxCode = db.get_or_404(TaxCode, id)
    try:
        service.delete_code(code)
    except service.InUse as in_use:
        flash(str(in_use), "warning")
        return redirect(url_for("masterdata.show_code", id=id))
    flash(_("The tax code is removed."), "success")
    return redirect(url_for("masterdata.codes"))


# Rates


@list_at(bp, "/tax-rates/")
def tax_rates() -> ResponseReturnValue:
    names, today = dict(by_name(rates.countries())), datetime.now(get_timezone()).date()
    places = {code: place for place, code in enumerate(names)}
    may_change = current_user.may(Role.ADMIN)
    listing = records(
        _("Tax rates"),
        "masterdata.tax_rates",
        TaxRate,
        of_rates(today),
        (rates.by_country(places), rates.BY_DAY),
        (),
        address_of("masterdata.show_rate") if may_change else None,
        [joinedload(TaxRate.tax_code)],
        _rate_filters(names, today),
        (removal(TaxRate, rates.delete_rate),) if may_change else (),
    )
    known = _("Without rates no tax is computed. Kontor knows those of the EU.")
    take_over = url_for("masterdata.eu") if may_change else None
    return listing.answer(
        "masterdata/rates.html",
        "listings/_plain.html",
        no_match=_("No tax rate matches"),
        nothing=(_("No tax rate yet"), known, take_over, _("Take over the EU’s rates"), "discount"),
    )


@bp.get("/tax-rates/new")
def new_rate() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = _with_choices(RateForm(formdata=None))
    country = request.args.get("country", "")
    form.country.data = country if country in eu_rates.COUNTRIES else service.settings().home_country
    return _rate_page(form)


@bp.post("/tax-rates/new")
def create_rate() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = _with_choices(RateForm())
    if form.validate_on_submit():

        def change() -> None:
            rates.create_rate(form.value(), form.tax_code.data, form.end_previous.data)

        try:
            if "try" in request.form:
                return _rate_page(form, trial=try_out_all(change))
            change()
        except rates.PeriodTaken as taken:
            form.say(taken)
        else:
            return _rate_saved(form)
    return _rate_page(form), 422


@bp.get(f"/tax-rates/{SMALL_ID}")
def show_rate(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    row: TaxRate = db.get_or_404(TaxRate, id)
    form = _with_choices(RateForm(formdata=None, tax_code=row.tax_code_id), row)
    form.show(rates.rate_of(row))
    return _rate_page(form, row)


@bp.post(f"/tax-rates/{SMALL_ID}")
def update_rate(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    row: TaxRate = db.get_or_404(TaxRate, id)
    form = _with_choices(RateForm(), row)
    if form.validate_on_submit():

        def change() -> None:
            rates.update_rate(row, form.value(), form.tax_code.data)

        try:
            if "try" in request.form:
                return _rate_page(form, row, try_out_all(change))
            change()
        except rates.PeriodTaken as taken:
            form.say(taken)
        else:
            return _rate_saved(form)
    return _rate_page(form, row), 422


@bp.post(f"/tax-rates/{SMALL_ID}/delete")
def delete_rate(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    row: TaxRate = db.get_or_404(TaxRate, id)
    rates.delete_rate(row)
    flash(_("The tax rate is removed. Documents that are there keep theirs."), "success")
    return redirect(url_for("masterdata.tax_rates", country=row.country))


@bp.get("/tax-rates/eu")
def eu() -> ResponseReturnValue:
    """What the EU's table has otherwise, by country, for an administrator to tick."""
    require(Role.ADMIN)
    return _eu_page()


@bp.post("/tax-rates/eu")
def take_over() -> ResponseReturnValue:
    require(Role.ADMIN)
    chosen = set(request.form.getlist("country")) & set(eu_rates.COUNTRIES)
    if not chosen:
        return _eu_page(_("Nothing was taken over: tick at least one country.")), 422
    steps = Counter(difference.step for difference in rates.take_over(chosen))
    flash(
        _(
            "Taken over: %(new)s new, %(changed)s changed, %(ended)s ended.",
            new=steps[Step.NEW],
            changed=steps[Step.CHANGED],
            ended=steps[Step.ENDED],
        ),
        "success",
    )
    return redirect(url_for("masterdata.tax_rates"))


# Settings


@bp.get("/taxes")
def taxes() -> ResponseReturnValue:
    row = service.settings()
    form = SettingsForm(
        formdata=None,
        home_country=row.home_country,
        one_stop_shop=row.one_stop_shop,
        reverse_charge_code=row.reverse_charge_code_id or 0,
        export_code=row.export_code_id or 0,
        collected_code=row.collected_code_id or 0,
    )
    return _taxes_page(form, row)


@bp.post("/taxes")
def update_taxes() -> ResponseReturnValue:
    require(Role.ADMIN)
    row = service.settings()
    form = SettingsForm()
    _offer(form, row)
    if not form.validate_on_submit():
        return _taxes_page(form, row), 422

    def change() -> None:
        row.home_country, row.one_stop_shop = form.home_country.data, form.one_stop_shop.data
        row.reverse_charge_code_id = form.reverse_charge_code.data or None
        row.export_code_id = form.export_code.data or None
        row.collected_code_id = form.collected_code.data or None

    if "try" in request.form:
        return _taxes_page(form, row, try_out_all(change))
    change()
    flash(_("The settings are saved. They hold for orders that come in from now on."), "success")
    return redirect(url_for("masterdata.taxes"))


def _rate_filters(names: Mapping[str, str], today: date) -> tuple[Filter, ...]:
    """`names` are the countries that there are rates of; any other may be asked for, and has none."""
    return (
        Filter("q", _l("Search"), str, keeps=lambda term: rates.meant_by(term, names)),
        Filter(
            "country",
            _l("Country"),
            lambda typed: typed if is_country(typed) else None,
            country_name,
            names,
            lambda country: TaxRate.country == country,
        ),
        Filter.among("state", _l("State"), TIMES, lambda time: rates.standing_at(time, today)),
    )


def _code_page(form: CodeForm, code: TaxCode | None = None) -> str:
    used = service.code_uses().get(code.id, []) if code else []
    return render_template("masterdata/code.html", form=form, code=code, used=used)


def _rate_page(form: RateForm, row: TaxRate | None = None, trial: Trial | None = None) -> str:
    return render_template("masterdata/rate.html", form=form, rate=row, country_name=country_name, trial=trial)


def _rate_saved(form: RateForm) -> ResponseReturnValue:
    flash(_("The tax rate is saved. It holds for orders that come in from now on."), "success")
    return redirect(url_for("masterdata.tax_rates", country=form.value().country))


def _with_choices(form: RateForm, row: TaxRate | None = None) -> RateForm:
    form.show_choices()
    offered = service.offered_codes(row.tax_code_id if row else None)
    form.tax_code.choices = choices([(0, "–"), *((code.id, _named(code)) for code in offered)])
    return form


def _eu_page(problem: str | None = None) -> str:
    found, by_country = rates.comparison(), dict[str, list[Difference]]()
    for difference in found:
        by_country.setdefault(difference.rate.country, []).append(difference)
    return render_template(
        "masterdata/eu.html",
        problem=problem,
        differs=any(difference.step != Step.SAME for difference in found),
        countries=[(code, by_country[code]) for code, _name in by_name(by_country)],
        country_name=country_name,
        tax_classes=TAX_CLASSES,
        looked_up=eu_rates.LOOKED_UP,
    )


def _taxes_page(form: SettingsForm, row: TaxSettings, trial: Trial | None = None) -> str:
    _offer(form, row)
    return render_template("masterdata/taxes.html", form=form, chosen=_chosen, trial=trial)


def _offer(form: SettingsForm, row: TaxSettings) -> None:
    # Who sits in Northern Ireland pays at home what all of the United Kingdom pays.
    known = {*eu_rates.COUNTRIES, *rates.countries(), row.home_country} - {"", NORTHERN_IRELAND}
    form.home_country.choices = choices([("", _("None: no tax is computed")), *by_name(known)])
    offered = service.offered_codes(row.reverse_charge_code_id, row.export_code_id, row.collected_code_id)
    for field in (form.reverse_charge_code, form.export_code, form.collected_code):
        field.choices = choices([(0, "–"), *((code.id, _named(code)) for code in offered)])


def _chosen(field: SelectField) -> str:
    """What a field's choice is called, for those who may only look."""
    return next(str(label) for value, label, *_rest in field.iter_choices() if value == field.data)


def _named(code: TaxCode) -> str:
    return f"{code.code} · {code.name}" if code.name else code.code
