"""The columns of the list of users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import get_template_attribute
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from portal.listings.columns import Column
from portal.tenants.forms import ROLES
from portal.tenants.models import Role, User


def columns(grantable: Sequence[Role]) -> tuple[Column, ...]:
    """With what may be done with each user; `grantable` are the roles that the reader gives."""
    buttons = get_template_attribute("tenants/_acts.html", "acts")

    def acts(user: User) -> Any:
        may_act = user.id != current_user.id and current_user.may(user.role)
        return buttons(user, grantable, ROLES) if may_act else ""

    return (
        Column("name", _l("Name"), lambda user: user.name, sort="name", heads=True),
        Column("email", _l("E-mail address"), lambda user: user.email, sort="email", classes="text-break"),
        Column("role", _l("Role"), lambda user: str(ROLES[user.role])),
        Column("acts", _l("Actions"), None, acts, classes="text-end", fixed=True),
    )
