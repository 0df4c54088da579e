"""The form of whom a tenant has told."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import Field, SelectField, SelectMultipleField, StringField
from wtforms.validators import Length

from portal.automation.kinds import parsed_addresses
from portal.notices.registry import SOURCES
from portal.tenants.session import LANGUAGES
from portal.typed import Form, choices, one_line


class NoticesForm(Form):
    recipients = StringField(
        _l("E-mail addresses"),
        [Length(max=1000)],
        filters=[one_line],
        description=_l("One or several, with commas between them. Empty: nobody is told."),
    )
    kinds = SelectMultipleField(
        _l("Tell of"), choices=choices((source.kind, source.label) for source in SOURCES.values())
    )
    language = SelectField(
        _l("Language of e-mails"),
        choices=choices(LANGUAGES.items()),
        description=_l("Also of the status e-mails that tasks send."),
    )

    addresses: tuple[str, ...] = ()

    def validate_recipients(self, field: Field) -> None:
        self.addresses = tuple(parsed_addresses(field.data)) if field.data else ()
