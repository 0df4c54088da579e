"""Who may open a page."""

from __future__ import annotations

from flask import abort
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.extensions import login
from portal.tenants.models import Role


def require_user() -> ResponseReturnValue | None:
    """For `before_request`: ask to sign in where nobody is signed in."""
    return None if current_user.is_authenticated else login.unauthorized()


def require(role: Role) -> None:
    """Answer 403 unless the signed-in user has this role or a wider one."""
    if not current_user.may(role):
        abort(403, _("Your role does not allow this. Ask an administrator of your company."))
