"""The form of whom a tenant has told."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Field, SelectField, StringField
from wtforms.validators import Length

from portal.automation.kinds import parsed_addresses
from portal.notices.registry import SOURCES
from portal.tenants.session import LANGUAGES
from portal.typed import Form, choices, one_line


class NoticesForm(Form):
    """Whom, in which language, and a switch for each source of alarms there is (added below)."""

    recipients = StringField(
        _l("E-mail addresses"),
        [Length(max=1000)],
        filters=[one_line],
        description=_l("One or several, with commas between them. Empty: nobody is told."),
    )
    language = SelectField(
        _l("Language of e-mails"),
        choices=choices(LANGUAGES.items()),
        description=_l("Also of the status e-mails that tasks send."),
    )

    addresses: tuple[str, ...] = ()

    def validate_recipients(self, field: Field) -> None:
        self.addresses = tuple(parsed_addresses(field.data)) if field.data else ()

    @property
    def switches(self) -> dict[str, Field]:
        """Of each kind of alarm its switch."""
        return {kind: self[f"about_{kind}"] for kind in SOURCES}

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, switch in self.switches.items() if switch.data]


for source in SOURCES.values():
    setattr(NoticesForm, f"about_{source.kind}", BooleanField(source.label))
