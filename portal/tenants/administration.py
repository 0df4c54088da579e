"""Users of a tenant, for its administrators; new tenants, for operators."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user, login_required

from portal.errors import Refused
from portal.extensions import db
from portal.listings.actions import removal
from portal.listings.listing import Listing, list_at
from portal.listings.records import records
from portal.lists import SMALL_ID, Filter, Sort
from portal.scope import tenant
from portal.tenants import service
from portal.tenants.access import require
from portal.tenants.blueprint import bp
from portal.tenants.forms import ROLES, InviteForm, RoleForm, TenantForm
from portal.tenants.models import Role, User
from portal.tenants.user_columns import columns
from portal.typed import choices


@list_at(bp, "/settings/users")
@login_required
def users() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = _with_roles(InviteForm(formdata=None))
    return _listing().answer("tenants/users.html", "listings/_plain.html", form=form, no_match=_("No user matches"))


@bp.post("/settings/users")
@login_required
def invite() -> ResponseReturnValue:
    """A new user, who gets in by a link that is shown here once: Kontor sends no mail."""
    require(Role.ADMIN)
    form = _with_roles(InviteForm())
    if form.validate_on_submit():
        try:
            user = service.create_user(form.name.data, form.email.data, form.role.data)
        except service.EmailTaken as taken:
            form.say(taken)
        else:
            link = service.create_sign_in_link(user)
            return _users_page(_with_roles(InviteForm(formdata=None)), link=link, invited=user)
    return _users_page(form), 422


@bp.post(f"/settings/users/{SMALL_ID}/role")
@login_required
def change_role(id: int) -> ResponseReturnValue:
    user = _other_user(id)
    form = _with_roles(RoleForm())
    if not form.validate_on_submit():
        abort(422, _("This role cannot be given."))
    service.change_role(user, form.role.data)
    flash(_("%(name)s has the role %(role)s now.", name=user.name, role=ROLES[user.role]))
    return redirect(url_for("tenants.users"))


@bp.post(f"/settings/users/{SMALL_ID}/link")
@login_required
def new_link(id: int) -> ResponseReturnValue:
    """A new sign-in link for somebody who forgot his password."""
    user = _other_user(id)
    return _users_page(_with_roles(InviteForm(formdata=None)), link=service.create_sign_in_link(user), invited=user)


@bp.post(f"/settings/users/{SMALL_ID}/delete")
@login_required
def remove(id: int) -> ResponseReturnValue:
    user = _other_user(id)
    _remove(user)
    flash(_("%(name)s is removed.", name=user.name))
    return redirect(url_for("tenants.users"))


@bp.get("/settings/tenants/new")
@login_required
def new_tenant() -> ResponseReturnValue:
    require(Role.OPERATOR)
    return render_template("tenants/new.html", form=TenantForm())


@bp.post("/settings/tenants")
@login_required
def create_tenant() -> ResponseReturnValue:
    require(Role.OPERATOR)
    form = TenantForm()
    if form.validate_on_submit():
        try:
            made = service.create_tenant(
                form.company.data,
                form.customer_number.data,
                form.time_zone.data,
                form.user_name.data,
                form.email.data,
                None,
            )
        except (service.NumberTaken, service.EmailTaken) as taken:
            form.say(taken)
        else:
            with tenant(made.tenant_id):
                link = service.create_sign_in_link(db.session.get_one(User, made.user_id))
            return render_template("tenants/made.html", made=made, company=form.company.data, link=link)
    return render_template("tenants/new.html", form=form), 422


def _listing() -> Listing:
    return records(
        _("Users"),
        "tenants.users",
        User,
        columns(_grantable()),
        (Sort("name", (User.name, User.id)), Sort("email", (User.email, User.id))),
        (User.name, User.email),
        filters=(Filter.among("role", _l("Role"), ROLES, lambda role: User.role == role),),
        actions=(removal(User, _remove),),
    )


def _users_page(form: InviteForm, link: str | None = None, invited: User | None = None) -> str:
    return _listing().page("tenants/users.html", form=form, link=link, invited=invited)


def _other_user(id: int) -> User:
    """A user of the tenant whom the signed-in administrator may change; nobody changes himself."""
    require(Role.ADMIN)
    user: User = db.get_or_404(User, id)
    if user.id == current_user.id:
        abort(422, _("This is yourself. Ask another administrator."))
    if not current_user.may(user.role):
        abort(403, _("Only an operator changes an operator."))
    return user


def _remove(user: User) -> None:
    if user.id == current_user.id:
        raise Refused(_("You cannot remove yourself."))
    if not current_user.may(user.role):
        raise Refused(_("Only an operator changes an operator."))
    service.remove_user(user)


def _grantable() -> list[Role]:
    """Nobody gives more than he has."""
    return [role for role in Role if current_user.may(role)]


def _with_roles(form: InviteForm | RoleForm) -> InviteForm:
    form.role.choices = choices((role, ROLES[role]) for role in _grantable())
    return form
