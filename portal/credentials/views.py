"""Pages of credentials."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from htmx_flask import request
from sqlalchemy import func, select

from portal.credentials import service
from portal.credentials.columns import COLUMNS
from portal.credentials.forms import CredentialForm
from portal.credentials.models import Credential
from portal.credentials.transport import checked_address
from portal.extensions import db
from portal.listings.actions import Action, removal
from portal.listings.listing import list_at
from portal.listings.records import records
from portal.lists import SMALL_ID, Sort, is_among
from portal.platforms.models import Platform
from portal.presentation import address_of
from portal.tenants.access import require, require_user
from portal.tenants.forms import ConfirmForm
from portal.tenants.models import Role

bp = Blueprint("credentials", __name__, url_prefix="/credentials")
bp.before_request(require_user)

# Somebody waits while these are tested, one after the other.
MOST_TESTED = 5


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    new = url_for("credentials.new") if current_user.may(Role.ADMIN) else None
    listing = records(
        _("Credentials"),
        "credentials.index",
        Credential,
        COLUMNS,
        (Sort("name", (Credential.name,)),),
        (Credential.name, Credential.address, Credential.client_id),
        address_of("credentials.edit") if new else None,
        actions=(TEST, removal(Credential, _remove)) if new else (),
    )
    purpose = _("A credential opens a cloud: address, client ID and client secret. Platforms need one.")
    return listing.answer(
        "credentials/index.html",
        "listings/_plain.html",
        no_match=_("No credential matches"),
        nothing=(_("No credential yet"), purpose, new, _("New credential"), "key"),
    )


@bp.get("/new")
def new() -> ResponseReturnValue:
    require(Role.ADMIN)
    return render_template("credentials/new.html", form=CredentialForm())


@bp.post("/")
def create() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = CredentialForm()
    if form.validate_on_submit():
        try:
            credential = service.create_credential(
                form.name.data,
                checked_address(form.address.data),
                form.client_id.data,
                form.client_secret.data,
                form.kind.data,
            )
        except service.NameTaken as taken:
            form.say(taken)
        else:
            flash(_("The credential is kept. TEST shows whether the cloud takes it."))
            return redirect(url_for("credentials.edit", id=credential.id))
    return render_template("credentials/new.html", form=form), 422


@bp.get(f"/{SMALL_ID}")
def edit(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    credential: Credential = db.get_or_404(Credential, id)
    kept = {name: getattr(credential, name) for name in ("kind", "name", "address", "client_id")}
    return _edit_page(credential, CredentialForm(data=kept, needs_secret=False))


@bp.post(f"/{SMALL_ID}")
def update(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    credential: Credential = db.get_or_404(Credential, id)
    form = CredentialForm(needs_secret=False)
    if form.accepts(
        lambda: service.update_credential(
            credential,
            form.name.data,
            checked_address(form.address.data),
            form.client_id.data,
            form.client_secret.data,
        )
    ):
        flash(_("The credential is saved."))
        return redirect(url_for("credentials.edit", id=id))
    return _edit_page(credential, form), 422


@bp.post(f"/{SMALL_ID}/test")
def test(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    credential: Credential = db.get_or_404(Credential, id)
    service.test(credential)
    if request.htmx:
        return render_template("credentials/_test.html", credential=credential)
    return redirect(url_for("credentials.edit", id=id))


@bp.post(f"/{SMALL_ID}/delete")
def delete(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    credential: Credential = db.get_or_404(Credential, id)
    _remove(credential)
    flash(_("The credential “%(name)s” is removed.", name=credential.name))
    return redirect(url_for("credentials.index"))


def _edit_page(credential: Credential, form: CredentialForm) -> str:
    return render_template(
        "credentials/edit.html",
        credential=credential,
        form=form,
        platforms=_platforms_of(credential),
        confirm=ConfirmForm(formdata=None),
    )


def _remove(credential: Credential) -> None:
    service.delete_credential(credential, _platforms_of(credential))


def _told(ids: Sequence[int]) -> str:
    """Test these credentials, one after the other; the list shows what came of each."""
    for credential in db.session.scalars(select(Credential).where(is_among(Credential.id, ids))).all():
        service.test(credential)
    return _("Tested. The list says what came of it.")


TEST = Action("test", _l("Test"), "plug", MOST_TESTED, _l("Each asks its cloud, which may take a while."), _told)


def _platforms_of(credential: Credential) -> int:
    count = select(func.count()).select_from(Platform).where(Platform.credential_id == credential.id)
    return int(db.session.scalar(count))
