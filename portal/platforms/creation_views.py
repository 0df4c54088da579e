"""The tabs of a platform that say what its orders become: document creation and defaults."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from htmx_flask import request

from portal.addresses.service import statuses
from portal.documents.trial import Trial, try_out
from portal.extensions import db
from portal.lists import SMALL_ID
from portal.masterdata.models import PaymentMethod, PaymentTerms, ShippingMethod
from portal.masterdata.service import offered
from portal.platforms import creation
from portal.platforms.capabilities import capabilities_of
from portal.platforms.creation import NoSuchAddress
from portal.platforms.forms import CreationForm, DefaultsForm
from portal.platforms.models import AddressRole, Platform, RemoteKind, RemoteValue
from portal.tenants.access import require, require_user
from portal.tenants.models import Role
from portal.typed import choices

bp = Blueprint("creation", __name__, url_prefix="/platforms")
bp.before_request(require_user)

# Fields of the form that are fields of the platform under the same name.
PLAIN = (
    "document_type",
    *("freight_article", "discount_article", "gift_wrap_article", "other_article"),
    *("article_rule", "sku_prefix", "unknown_sku"),
)
CHOSEN = {"payment_terms": PaymentTerms, "payment_method": PaymentMethod, "shipping_method": ShippingMethod}


@bp.get(f"/{SMALL_ID}/creation")
def show(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    form = _with_choices(CreationForm(formdata=None, obj=platform), platform)
    for name in CHOSEN:
        form[name].data = getattr(platform, f"{name}_id")
    return _page(platform, form)


@bp.post(f"/{SMALL_ID}/creation")
def update(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    form = _with_choices(CreationForm(), platform)
    if not form.validate_on_submit():
        return _page(platform, form), 422

    def change() -> None:
        for name in PLAIN:
            setattr(platform, name, form[name].data or "")
        for name in CHOSEN:
            setattr(platform, f"{name}_id", form[name].data)

    if "try" in request.form:
        return _page(platform, form, try_out([platform], change))
    change()
    flash(_("The document creation is saved. It holds from the next fetch on."))
    return redirect(url_for("creation.show", id=id))


@bp.post(f"/{SMALL_ID}/creation/values")
def map_values(id: int) -> ResponseReturnValue:
    """Say what the marketplace's words mean."""
    require(Role.ADMIN)
    platform = _platform(id)
    methods = {value.id: _chosen(value) for value in creation.remote_values(platform) if _name(value) in request.form}

    def change() -> None:
        creation.map_values(platform, methods)

    if "try" in request.form:
        form = _with_choices(CreationForm(formdata=None, obj=platform), platform)
        for name in CHOSEN:
            form[name].data = getattr(platform, f"{name}_id")
        return _page(platform, form, try_out([platform], change), methods)
    change()
    flash(_("The mapping is saved. It holds from the next fetch on."))
    return redirect(url_for("creation.show", id=id, _anchor="values"))


@bp.get(f"/{SMALL_ID}/defaults")
def defaults(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    addresses = {role: creation.standing_in(platform, role) for role in AddressRole}
    form = _with_statuses(
        DefaultsForm(
            formdata=None,
            address_status=platform.address_status_id,
            guest_status=platform.guest_status_id or 0,
            **{role.value: address.number for role, address in addresses.items() if address},
        ),
        platform,
    )
    return render_template("platforms/defaults.html", platform=platform, form=form)


@bp.post(f"/{SMALL_ID}/defaults")
def update_defaults(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    form = _with_statuses(DefaultsForm(), platform)
    if not form.validate_on_submit():
        return render_template("platforms/defaults.html", platform=platform, form=form), 422

    def change() -> None:
        platform.address_status_id = form.address_status.data
        if "guest_status" in form:
            platform.guest_status_id = form.guest_status.data or None
        for role in AddressRole:
            if role.value in form:
                try:
                    creation.let_stand_in(platform, role, form[role.value].data or "")
                except NoSuchAddress as missing:
                    form[role.value].errors = [str(missing)]
                    raise

    try:
        if "try" in request.form:
            trial = try_out([platform], change)
            return render_template("platforms/defaults.html", platform=platform, form=form, trial=trial)
        change()
    except NoSuchAddress:
        return render_template("platforms/defaults.html", platform=platform, form=form), 422
    flash(_("The platform is saved."))
    return redirect(url_for("creation.defaults", id=id))


def _page(
    platform: Platform, form: CreationForm, trial: Trial | None = None, methods: dict[int, int | None] | None = None
) -> str:
    values = creation.remote_values(platform)
    methods = methods or {}
    return render_template(
        "platforms/creation.html",
        platform=platform,
        form=form,
        trial=trial,
        tables=[
            (kind, [(value, methods.get(value.id, _method_of(value))) for value in values if value.kind == kind])
            for kind in capabilities_of(platform).mapped
        ],
        methods={kind: offered(model) for kind, model in creation.METHODS.items()},
        standards={RemoteKind.PAYMENT: platform.payment_method_id, RemoteKind.SHIPPING: platform.shipping_method_id},
    )


def _method_of(value: RemoteValue) -> int | None:
    return value.payment_method_id if value.kind == RemoteKind.PAYMENT else value.shipping_method_id


def _name(value: RemoteValue) -> str:
    return f"value-{value.id}"


def _chosen(value: RemoteValue) -> int | None:
    """What was chosen for a word: a method that may be chosen; anything else is the standard."""
    can_be = {method.id for method in offered(creation.METHODS[RemoteKind(value.kind)], _method_of(value))}
    chosen = request.form.get(_name(value), "", type=int)
    return chosen if chosen in can_be else None


def _platform(id: int) -> Platform:
    platform: Platform = db.get_or_404(Platform, id)
    return platform


def _with_choices(form: CreationForm, platform: Platform) -> CreationForm:
    for name, model in CHOSEN.items():
        can_be = offered(model, getattr(platform, f"{name}_id"))
        form[name].choices = choices((choice.id, choice.name) for choice in can_be)
    return form


def _with_statuses(form: DefaultsForm, platform: Platform) -> DefaultsForm:
    """The form with what this marketplace can tell apart, and nothing else."""
    named = [(status.id, status.name) for status in statuses()]
    form.address_status.choices = choices(named)
    form.guest_status.choices = choices([(0, _("as other new customers")), *named])
    can = capabilities_of(platform)
    if not can.guests:
        del form.guest_status
    if not can.resells:
        del form.marketplace
    return form
