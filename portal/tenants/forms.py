"""Forms of sign-in, first run, users and tenants."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, Field, HiddenField, PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, EqualTo, InputRequired, Length, Optional, Regexp, StopValidation

from portal.tenants.models import Role
from portal.typed import Form, one_line

LONGEST_NAME = 120
LONGEST_EMAIL = 254  # what an SMTP path leaves (RFC 5321)
SHORTEST_PASSWORD = 10
FEWEST_SIGNS = 4  # different ones: ten spaces are no password
LONGEST_PASSWORD = 200  # hashing is work: nobody may choose how much
ROLES = {Role.CLERK: _l("Clerk"), Role.ADMIN: _l("Administrator"), Role.OPERATOR: _l("Operator")}


@cache
def time_zones() -> list[str]:
    """Time zones as people look for them: region and city. UTC for all others."""
    cities = (zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
    return ["UTC", *sorted({*cities, "Europe/Berlin"})]


def is_email() -> Regexp:
    """Anything with one @ may be an address inside a company: only a mail could tell."""
    return Regexp(r"^[^@\s]+@[^@\s]+$", message=_l("This is not an e-mail address."))


def _says_something(form: Form, field: Field) -> None:
    if len(set(field.data)) < FEWEST_SIGNS:
        raise StopValidation(_("A password has %(num)d different characters or more.", num=FEWEST_SIGNS))


def new_password(label: str) -> PasswordField:
    return PasswordField(
        label,
        [
            InputRequired(),
            _says_something,
            Length(
                min=SHORTEST_PASSWORD,
                max=LONGEST_PASSWORD,
                message=_l("A password has %(min)d characters or more; a short sentence is easy to remember."),
            ),
        ],
        description=_l("10 characters or more; a short sentence is easy to remember."),
        render_kw={"autocomplete": "new-password"},
    )


def password_again(other: str) -> PasswordField:
    return PasswordField(
        _l("Password again"),
        [InputRequired(), EqualTo(other, message=_l("The two passwords differ."))],
        render_kw={"autocomplete": "new-password"},
    )


class SignInForm(Form):
    email = EmailField(
        _l("E-mail address"),
        [DataRequired(), Length(max=LONGEST_EMAIL)],
        filters=[one_line],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        _l("Password"),
        [InputRequired(), Length(max=LONGEST_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField()


class TenantForm(Form):
    """A new tenant and its first administrator, who gets a sign-in link."""

    company = StringField(_l("Company"), [DataRequired(), Length(max=LONGEST_NAME)], filters=[one_line])
    customer_number = StringField(
        _l("Customer number"),
        [DataRequired(), Length(max=30)],
        filters=[one_line],
        description=_l("As it stands on your invoices. It names new platforms."),
    )
    time_zone = SelectField(_l("Time zone"), choices=time_zones, default="Europe/Berlin")
    user_name = StringField(_l("Administrator’s name"), [DataRequired(), Length(max=LONGEST_NAME)], filters=[one_line])
    email = EmailField(
        _l("Administrator’s e-mail address"),
        [DataRequired(), Length(max=LONGEST_EMAIL), is_email()],
        filters=[one_line],
    )


class FirstRunForm(TenantForm):
    """The first tenant, with the person who sets Kontor up as its operator."""

    user_name = StringField(
        _l("Your name"),
        [DataRequired(), Length(max=LONGEST_NAME)],
        filters=[one_line],
        render_kw={"autocomplete": "name"},
    )
    email = EmailField(
        _l("Your e-mail address"),
        [DataRequired(), Length(max=LONGEST_EMAIL), is_email()],
        filters=[one_line],
        render_kw={"autocomplete": "username"},
    )
    password = new_password(_l("Password"))
    password_again = password_again("password")


class InviteForm(Form):
    name = StringField(_l("Name"), [DataRequired(), Length(max=LONGEST_NAME)], filters=[one_line])
    email = EmailField(
        _l("E-mail address"), [DataRequired(), Length(max=LONGEST_EMAIL), is_email()], filters=[one_line]
    )
    role = SelectField(_l("Role"), coerce=Role, default=Role.CLERK)


class RoleForm(Form):
    role = SelectField(_l("Role"), coerce=Role)


class PasswordForm(Form):
    """Change one's password. The present one is asked for where there is one."""

    present = PasswordField(
        _l("Present password"),
        [Optional(), Length(max=LONGEST_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )
    password = new_password(_l("New password"))
    password_again = password_again("password")


class ConfirmForm(Form):
    """Nothing but the token that shows where the click came from."""
