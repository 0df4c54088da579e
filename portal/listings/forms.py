"""The form of a saved view."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, StringField
from wtforms.validators import DataRequired, Length

from portal.typed import Form, one_line


class ViewForm(Form):
    """How a view is called, and who sees it."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=60)], filters=[one_line])
    shared = BooleanField(
        _l("Shared with everybody of the company"),
        description=_l("The others can open it, and save their own from it; only you and administrators change it."),
    )
