"""The page of whom a tenant has told."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal import mail
from portal.errors import Refused, Unavailable
from portal.extensions import limiter
from portal.notices import service
from portal.notices.forms import NoticesForm
from portal.scope import current_tenant_id
from portal.tenants.access import require, require_user
from portal.tenants.models import Role
from portal.tenants.session import current_tenant

bp = Blueprint("notices", __name__, url_prefix="/settings/notifications")
bp.before_request(require_user)

# Enough to try something out, too few to bother anybody with.
TESTS = "10 per hour"


def _tenant() -> str:
    return f"test-mail:{current_tenant_id()}"


@bp.get("")
def edit() -> ResponseReturnValue:
    require(Role.ADMIN)
    kept = service.settings()
    switches = {f"about_{kind}": True for kind in kept.kinds}
    form = NoticesForm(recipients=", ".join(kept.recipients), language=current_tenant().language, **switches)
    return _page(form)


@bp.post("")
def update() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = NoticesForm()
    if form.accepts(lambda: service.save(form.addresses, form.kinds, form.language.data)):
        flash(_("The notifications are saved."))
        return redirect(url_for("notices.edit"))
    return _page(form), 422


@bp.post("/test")
@limiter.limit(TESTS, key_func=_tenant)
def test() -> ResponseReturnValue:
    """Send a mail to those who are told, now, and say what came of it."""
    require(Role.ADMIN)
    recipients = service.settings().recipients
    if not recipients:
        flash(_("Nobody is told yet. Name an address and save first."), "danger")
        return redirect(url_for("notices.edit"))
    try:
        refused = service.send_test(recipients)
    except (Refused, Unavailable) as problem:
        flash(str(problem), "danger")
    else:
        if refused:
            flash(
                _("The mail server does not take these addresses: %(addresses)s.", addresses=", ".join(refused)),
                "danger",
            )
        else:
            flash(_("The mail server has taken the test. Look whether it arrived."))
    return redirect(url_for("notices.edit"))


def _page(form: NoticesForm) -> str:
    return render_template("notices/edit.html", form=form, digests=service.latest(), is_set_up=mail.is_set_up())
