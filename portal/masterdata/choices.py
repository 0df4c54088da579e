"""The pages of payment methods, payment terms and shipping methods: one set of views for the three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from portal.extensions import db
from portal.listings.actions import removal, switches
from portal.listings.listing import list_at
from portal.listings.records import records
from portal.lists import SMALL_ID, Sort
from portal.masterdata import service
from portal.masterdata.blueprint import bp
from portal.masterdata.columns import of_choices
from portal.masterdata.forms import ChoiceForm
from portal.masterdata.models import Choice, PaymentMethod, PaymentTerms, ShippingMethod
from portal.presentation import address_of
from portal.tenants.access import require
from portal.tenants.models import Role


@dataclass(frozen=True)
class Kind:
    """A kind of record, its address, and what its pages call it."""

    model: type[Choice]
    path: str
    title: Any
    new: Any
    none: Any
    purpose: Any
    icon: str

    @property
    def name(self) -> str:
        return self.path.replace("-", "_")

    def url(self, view: str, **values: Any) -> str:
        return url_for(f"masterdata.{self.name}.{view}", **values)


KINDS = (
    Kind(
        PaymentMethod,
        "payment-methods",
        _l("Payment methods"),
        _l("New payment method"),
        _l("No payment method yet"),
        _l("How customers pay: each document says by which method."),
        "receipt",
    ),
    Kind(
        PaymentTerms,
        "payment-terms",
        _l("Payment terms"),
        _l("New payment terms"),
        _l("No payment terms yet"),
        _l("When customers pay, as it stands on their documents."),
        "calendar",
    ),
    Kind(
        ShippingMethod,
        "shipping-methods",
        _l("Shipping methods"),
        _l("New shipping method"),
        _l("No shipping method yet"),
        _l("How parcels travel: each document says by which method."),
        "truck",
    ),
)


def _pages_of(kind: Kind) -> Blueprint:
    pages = Blueprint(kind.name, __name__, url_prefix=f"/{kind.path}")

    @list_at(pages, "/")
    def index() -> ResponseReturnValue:
        model, new = kind.model, kind.url("new") if current_user.may(Role.ADMIN) else None
        listing = records(
            str(kind.title),
            f"masterdata.{kind.name}.index",
            model,
            of_choices(service.uses(model)),
            (Sort("name", (model.name,)),),
            (model.name,),
            address_of(f"masterdata.{kind.name}.show") if new else None,
            actions=(*switches(model), removal(model, service.delete)) if new else (),
        )
        nothing = (kind.none, kind.purpose, new, kind.new, kind.icon)
        return listing.answer("masterdata/choices.html", "listings/_plain.html", kind=kind, nothing=nothing)

    @pages.get("/new")
    def new() -> ResponseReturnValue:
        require(Role.ADMIN)
        return _page(kind, ChoiceForm(formdata=None))

    @pages.post("/new")
    def create() -> ResponseReturnValue:
        require(Role.ADMIN)
        form = ChoiceForm()
        if form.accepts(lambda: service.create(kind.model, form.name.data or "", form.active.data)):
            return _saved(kind, form)
        return _page(kind, form), 422

    @pages.get(f"/{SMALL_ID}")
    def show(id: int) -> ResponseReturnValue:
        require(Role.ADMIN)
        record = db.get_or_404(kind.model, id)
        return _page(kind, ChoiceForm(formdata=None, obj=record), record)

    @pages.post(f"/{SMALL_ID}")
    def update(id: int) -> ResponseReturnValue:
        require(Role.ADMIN)
        record = db.get_or_404(kind.model, id)
        form = ChoiceForm()
        if form.accepts(lambda: service.update(record, form.name.data or "", form.active.data)):
            return _saved(kind, form)
        return _page(kind, form, record), 422

    @pages.post(f"/{SMALL_ID}/delete")
    def delete(id: int) -> ResponseReturnValue:
        require(Role.ADMIN)
        record = db.get_or_404(kind.model, id)
        name = record.name
        try:
            service.delete(record)
        except service.InUse as in_use:
            flash(str(in_use), "warning")
            return redirect(kind.url("show", id=id))
        flash(_("“%(name)s” is removed.", name=name), "success")
        return redirect(kind.url("index"))

    return pages


def _page(kind: Kind, form: ChoiceForm, record: Choice | None = None) -> str:
    used = service.uses(kind.model).get(record.id, []) if record else []
    return render_template("masterdata/choice.html", kind=kind, form=form, record=record, used=used)


def _saved(kind: Kind, form: ChoiceForm) -> ResponseReturnValue:
    flash(_("“%(name)s” is saved.", name=form.name.data), "success")
    return redirect(kind.url("index"))


for _kind in KINDS:
    bp.register_blueprint(_pages_of(_kind))
