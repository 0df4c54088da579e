"""The form of a credential."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import Field, PasswordField, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, Length

from portal import outgoing
from portal.credentials.models import Kind
from portal.credentials.transport import checked_address
from portal.errors import Refused
from portal.typed import Form, choices, one_line

KINDS = {Kind.CLOUD: _l("Cloud")}


class CredentialForm(Form):
    """`needs_secret` is false where a secret is kept already: the field left empty leaves it."""

    kind = SelectField(_l("Kind"), choices=choices(KINDS.items()), coerce=Kind, default=Kind.CLOUD)
    name = StringField(_l("Name"), [DataRequired(), Length(max=60)], filters=[one_line])
    address = StringField(
        _l("Cloud address"),
        [DataRequired(), Length(max=200)],
        filters=[one_line],
        render_kw={"inputmode": "url", "placeholder": "https://cloud.example.com/cloud"},
    )
    client_id = StringField(
        _l("Client ID"),
        [DataRequired(), Length(max=200)],
        filters=[one_line],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    client_secret = PasswordField(
        _l("Client secret"), [Length(max=500)], filters=[one_line], render_kw={"autocomplete": "new-password"}
    )

    def __init__(self, needs_secret: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.needs_secret = needs_secret
        if not needs_secret:
            self.client_secret.description = _l("Leave it empty to keep the present secret. It is never shown.")

    def validate_address(self, field: Field) -> None:
        try:
            outgoing.check(checked_address(field.data))
        except Refused as refused:
            raise ValidationError(str(refused)) from refused

    def validate_client_secret(self, field: Field) -> None:
        if self.needs_secret and not field.data:
            raise ValidationError(_l("This field is required."))
