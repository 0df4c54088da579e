"""The pages of the address book, of address statuses and number ranges."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from htmx_flask import request
from sqlalchemy.orm import joinedload, selectinload

from portal.addresses import checking, documents, ledger, ledger_columns, listing, range_columns, returning, service
from portal.addresses.blueprint import bp
from portal.addresses.columns import COLUMNS
from portal.addresses.forms import PURPOSES, RangeForm, StatusForm, form_of, in_url, ledger_filters
from portal.addresses.models import Address, AddressStatus, NumberRange, Purpose
from portal.documents.trial import try_out_all
from portal.extensions import db
from portal.http import not_found
from portal.listings.actions import removal
from portal.listings.listing import Listing, list_at
from portal.listings.records import records
from portal.lists import ID, SMALL_ID, Filter, Sort, View
from portal.presentation import address_of
from portal.tenants.access import require
from portal.tenants.models import Role
from portal.tenants.session import current_tenant

__all__ = ["bp", "returning"]  # returning's routes are on the same blueprint


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    view = View.of_request("addresses.index", lambda values: listing.SORTS, listing.FILTERS)
    search = view.get("q")
    found, cut = listing.find(search) if search else (None, False)
    opens = address_of("addresses.show")
    listing_ = Listing(
        _("Addresses"),
        view,
        COLUMNS,
        lambda window: listing.rows(found, window),
        lambda row: listing.key_of(row, view.sort),
        lambda: listing.count(found),
        lambda row: opens(row.id),
    )
    how = _(
        "Each buyer becomes one address with a number from its address status, when his first order becomes a document."
    )
    return listing_.answer(
        "addresses/index.html",
        "listings/_plain.html",
        cut=cut,
        hint=_("Number, name or surname"),
        no_match=_("No address matches"),
        nothing=(_("No address yet"), how, None, None, "address-book"),
    )


@list_at(bp, f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    address: Address = db.get_or_404(Address, id)
    listing_, cut = documents.listing_of(address)
    return listing_.answer(
        "addresses/show.html",
        "listings/_plain.html",
        address=address,
        references=listing.references(address),
        cut=cut,
        hint=_("Number or order"),
        no_match=_("No document matches"),
        nothing=(_("No document"), _("No document bears this address."), None, None, "file-text"),
    )


@list_at(bp, "/statuses")
def statuses() -> ResponseReturnValue:
    new = url_for("addresses.new_status") if current_user.may(Role.ADMIN) else None
    listing_ = records(
        _("Address statuses"),
        "addresses.statuses",
        AddressStatus,
        range_columns.of_statuses(may_copy=new is not None),
        (Sort("name", (AddressStatus.name,)), Sort("category", (AddressStatus.category, AddressStatus.id))),
        (AddressStatus.name, AddressStatus.category),
        address_of("addresses.show_status") if new else None,
        [joinedload(AddressStatus.number_range)],
        actions=(removal(AddressStatus, service.delete_status),) if new else (),
    )
    purpose = _("A status says what kind of customer an address is, and how addresses are numbered.")
    return listing_.answer(
        "addresses/statuses.html",
        "listings/_plain.html",
        nothing=(_("No address status yet"), purpose, new, _("New status"), "address-book"),
    )


@bp.get("/statuses/new")
def new_status() -> ResponseReturnValue:
    """NEW, or COPY where ?copy= names a status."""
    require(Role.ADMIN)
    form = StatusForm(formdata=None, payment_terms=0)
    original = request.args.get("copy", type=int)
    if original is not None:
        status = db.get_or_404(AddressStatus, original) if 0 < original < 2**31 else None
        if status is None:
            raise not_found()
        form.name.data, numbering = service.copied(status)
        form.category.data = status.category
        form.payment_terms.data = status.payment_terms_id or 0
        form.show(numbering)
    return render_template("addresses/status.html", form=form, status=None)


@bp.post("/statuses/new")
def create_status() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = StatusForm()
    if form.accepts(
        lambda: service.create_status(
            form.name.data or "", form.category.data or "", form.numbering(), form.payment_terms.data or None
        )
    ):
        flash(_("The address status is kept."), "success")
        return redirect(url_for("addresses.statuses"))
    return render_template("addresses/status.html", form=form, status=None), 422


@bp.get(f"/statuses/{SMALL_ID}")
def show_status(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    status: AddressStatus = db.get_or_404(AddressStatus, id)
    form = StatusForm(status, formdata=None, obj=status)
    form.payment_terms.data = status.payment_terms_id or 0
    form.show(status.number_range.numbering)
    return render_template("addresses/status.html", form=form, status=status)


@bp.post(f"/statuses/{SMALL_ID}")
def update_status(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    status: AddressStatus = db.get_or_404(AddressStatus, id)
    form = StatusForm(status)

    def change() -> None:
        service.lock(status.number_range.purpose)
        service.update_status(
            status,
            form.name.data or "",
            form.category.data or "",
            form.numbering(status.number_range),
            form.reason.data or "",
            current_user.id,
            form.payment_terms.data or None,
        )

    if form.validate_on_submit():
        try:
            if "try" in request.form:
                trial = try_out_all(change)
                return render_template("addresses/status.html", form=form, status=status, trial=trial)
            change()
        except (service.NameTaken, service.NumbersTaken, service.ReasonMissing) as refused:
            form.say(refused)
        else:
            flash(_("The address status is saved."), "success")
            return redirect(url_for("addresses.statuses"))
    return render_template("addresses/status.html", form=form, status=status), 422


@bp.post(f"/statuses/{SMALL_ID}/delete")
def delete_status(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    status: AddressStatus = db.get_or_404(AddressStatus, id)
    try:
        service.delete_status(status)
    except service.StatusInUse as in_use:
        flash(str(in_use), "warning")
        return redirect(url_for("addresses.show_status", id=id))
    flash(_("The address status is removed."), "success")
    return redirect(url_for("addresses.statuses"))


@list_at(bp, "/numbers")
def numbers() -> ResponseReturnValue:
    listing_ = records(
        _("Number ranges"),
        "addresses.numbers",
        NumberRange,
        range_columns.of_ranges(),
        listing.RANGE_SORTS,
        (NumberRange.name, NumberRange.prefix),
        address_of("addresses.show_numbers") if current_user.may(Role.ADMIN) else None,
        [selectinload(NumberRange.years), joinedload(NumberRange.tenant)],
        (Filter.among("purpose", _l("Numbers of"), PURPOSES, lambda purpose: NumberRange.purpose == purpose),),
    )
    return listing_.answer("addresses/numbers.html", "listings/_plain.html", no_match=_("No number range matches"))


@bp.get("/numbers/preview")
def preview() -> ResponseReturnValue:
    """The next numbers of what stands in the form, while it is typed; ?range= names the range that it changes."""
    id = request.args.get("range", type=int)
    present = db.session.get(NumberRange, id) if id is not None and 0 < id < 2**31 else None
    form = (form_of(present) if present else RangeForm)(formdata=request.args)
    form.validate()
    wrong = [field for field in (form.prefix, form.digits, form.next_number, form.last_number) if field.errors]
    return render_template("addresses/_preview.html", numbering=None if wrong else form.numbering(present))


@bp.get(f"/numbers/{SMALL_ID}")
def show_numbers(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    number_range: NumberRange = db.get_or_404(NumberRange, id)
    form = form_of(number_range)(formdata=None)
    form.show(number_range.numbering)
    return render_template("addresses/range.html", form=form, range=number_range)


@bp.post(f"/numbers/{SMALL_ID}")
def update_numbers(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    number_range: NumberRange = db.get_or_404(NumberRange, id)
    form = form_of(number_range)()

    def change() -> None:
        service.lock(number_range.purpose)
        service.change_range(number_range, form.numbering(number_range), form.reason.data or "", current_user.id)

    if form.validate_on_submit():
        try:
            if "try" in request.form:
                trial = try_out_all(change)
                return render_template("addresses/range.html", form=form, range=number_range, trial=trial)
            change()
        except (service.NumbersTaken, service.ReasonMissing) as refused:
            form.say(refused)
        else:
            flash(_("The number range is saved."), "success")
            return redirect(url_for("addresses.numbers"))
    return render_template("addresses/range.html", form=form, range=number_range), 422


@list_at(bp, f"/numbers/{SMALL_ID}/ledger")
def show_ledger(id: int) -> ResponseReturnValue:
    number_range, view, wanted = _ledger(id)
    opens = address_of("addresses.show" if number_range.purpose == Purpose.ADDRESS else "documents.show")
    listing_ = Listing(
        _("Number ledger of “%(name)s”", name=number_range.name),
        view,
        ledger_columns.columns(number_range.purpose, ledger.numbering_of(number_range, wanted.series.year)),
        lambda window: ledger.rows(wanted, window),
        ledger.key_of,
        lambda: ledger.count(wanted),
        lambda row: opens(row.id) if row.number is not None else "",
        parse_id=ledger.parse_id,
    )
    return listing_.answer(
        "addresses/ledger.html",
        "addresses/_ledger.html",
        range=number_range,
        hint=_("A number"),
    )


@bp.get(f"/numbers/{SMALL_ID}/ledger/check")
def check_ledger(id: int) -> ResponseReturnValue:
    number_range, view, wanted = _ledger(id)
    numbering = ledger.numbering_of(number_range, wanted.series.year)
    return render_template(
        "addresses/check.html",
        range=number_range,
        numbering=numbering,
        view=view,
        wanted=wanted,
        check=checking.check(replace(wanted, number=None), numbering.next_number),
    )


def _ledger(id: int) -> tuple[NumberRange, View, ledger.Wanted]:
    """A range, and which of its numbers the URL asks for."""
    number_range: NumberRange = db.get_or_404(NumberRange, id)
    years = ledger.years(number_range)
    view = View.of_request("addresses.show_ledger", lambda values: (ledger.BY_NUMBER,), ledger_filters(years), id=id)
    year = next((year for year in years if in_url(year) == view.get("year")), years[0])
    series = ledger.Series(number_range.id, number_range.purpose, year)
    search = view.get("q")
    wanted = ledger.Wanted(
        series,
        ZoneInfo(current_tenant().time_zone),
        ledger.number_of(series, ledger.numbering_of(number_range, year), search) if search else None,
        view.get("since"),
        view.get("until"),
    )
    return number_range, view, wanted
