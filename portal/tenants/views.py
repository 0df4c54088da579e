"""Sign-in, first run, language and password."""

from __future__ import annotations

import math
import time

from flask import Response, abort, flash, make_response, redirect, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_limiter import RequestLimit
from flask_login import current_user, login_required

from portal.extensions import limiter
from portal.tenants import administration, service, session
from portal.tenants.blueprint import bp
from portal.tenants.forms import ConfirmForm, FirstRunForm, PasswordForm, SignInForm
from portal.tenants.passwords import password_fits
from portal.typed import local_path, one_line

# Counted are refused attempts, by address and by e-mail address: a whole office behind one address
# may sign in at eight, and somebody who guesses gets 120 tries an hour.
ATTEMPTS = "10 per 5 minutes"

__all__ = ["administration", "bp"]  # administration's routes are on the same blueprint


def _refused(response: Response) -> bool:
    return response.status_code == 422


def _typed_email() -> str:
    """Whom it is tried for, as the form reads it."""
    return "email:" + (one_line(request.form.get("email")) or "").casefold()[:254]


def _throttled(limit: RequestLimit) -> Response:
    # reset_at is rounded up to the second after.
    minutes = max(1, math.ceil((limit.reset_at - 1 - time.time()) / 60))
    sentence = ngettext(
        "Too many attempts. Try again in %(num)d minute.", "Too many attempts. Try again in %(num)d minutes.", minutes
    )
    return make_response(render_template("tenants/sign_in.html", form=SignInForm(), problem=sentence), 429)


@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    if not service.has_tenants():
        return redirect(url_for("tenants.first_run"))
    target = local_path(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(target or "/")
    return render_template("tenants/sign_in.html", form=SignInForm(next=target), problem=None)


@bp.post("/sign-in")
@limiter.limit(ATTEMPTS, deduct_when=_refused, on_breach=_throttled)
@limiter.limit(ATTEMPTS, key_func=_typed_email, deduct_when=_refused, on_breach=_throttled)
def check_password() -> ResponseReturnValue:
    form = SignInForm()
    problem = None
    if form.validate_on_submit():
        user = service.authenticate(form.email.data, form.password.data)
        if user is not None:
            session.begin(user)
            return redirect(local_path(form.next.data) or "/")
        problem = _("E-mail address or password is wrong.")
    return render_template("tenants/sign_in.html", form=form, problem=problem), 422


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    session.end()
    return redirect(url_for("tenants.sign_in"))


@bp.get("/sign-in/<token>")
def link(token: str) -> ResponseReturnValue:
    """Shows a button and uses nothing up: mail scanners open every link they see."""
    try:
        user = service.check_sign_in_link(token)
    except service.LinkRefused as refused:
        return render_template("tenants/link.html", problem=str(refused)), 410
    return render_template("tenants/link.html", problem=None, user=user, form=ConfirmForm())


@bp.post("/sign-in/<token>")
def use_link(token: str) -> ResponseReturnValue:
    try:
        user = service.use_sign_in_link(token)
    except service.LinkRefused as refused:
        return render_template("tenants/link.html", problem=str(refused)), 410
    session.begin(user, by_link=True)
    return redirect(local_path(request.args.get("next")) or url_for("tenants.password"))


@bp.get("/first-run")
def first_run() -> ResponseReturnValue:
    if service.has_tenants():
        abort(404)
    return render_template("tenants/first_run.html", form=FirstRunForm())


@bp.post("/first-run")
def set_up() -> ResponseReturnValue:
    if service.has_tenants():
        abort(404)
    form = FirstRunForm()
    if not form.validate_on_submit():
        return render_template("tenants/first_run.html", form=form), 422
    made = service.create_first_tenant(
        form.company.data,
        form.customer_number.data,
        form.time_zone.data,
        form.user_name.data,
        form.email.data,
        form.password.data,
    )
    user = service.authenticate(form.email.data, form.password.data)
    if user is None:
        raise LookupError("The user that was just made is not there.")
    session.begin(user)
    return render_template("tenants/made.html", made=made, company=form.company.data, link=None)


@bp.post("/settings/language")
def language() -> ResponseReturnValue:
    chosen = request.form.get("language", "")
    if chosen not in session.LANGUAGES:
        abort(422, _("Kontor does not speak this language."))
    cookie["language"] = chosen
    if current_user.is_authenticated:
        current_user.language = chosen
    session.read_by_another()
    return redirect(local_path(request.form.get("next")) or "/")


@bp.get("/settings/password")
@login_required
def password() -> ResponseReturnValue:
    return _password_page(PasswordForm())


@bp.post("/settings/password")
@login_required
@limiter.limit(ATTEMPTS, deduct_when=_refused)
def change_password() -> ResponseReturnValue:
    form = PasswordForm()
    if form.validate_on_submit():
        user = current_user._get_current_object()
        service.lock(user)
        if not session.knows_password() or password_fits(form.present.data or "", user.password_hash):
            service.set_password(user, form.password.data)
            session.begin(user)
            flash(_("Your password is changed."))
            return redirect("/")
        form.present.errors = [_("This is not your present password.")]
    return _password_page(form), 422


def _password_page(form: PasswordForm) -> str:
    return render_template("tenants/password.html", form=form, knows_password=session.knows_password())
