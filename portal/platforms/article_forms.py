"""The form of an assignment."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from portal.documents.plan import LONGEST_SKU
from portal.masterdata.article_forms import cleaned
from portal.masterdata.articles import LONGEST_NUMBER
from portal.typed import Form


class AssignmentForm(Form):
    """Which article a SKU is. `offers` is where numbers are looked up while one is typed."""

    sku = StringField(_l("SKU"), [DataRequired(), Length(max=LONGEST_SKU)], filters=[cleaned])
    number = StringField(_l("Article number"), [DataRequired(), Length(max=LONGEST_NUMBER)], filters=[cleaned])

    def __init__(self, offers: str, **options: object) -> None:
        super().__init__(**options)
        self.number.render_kw = offered_from(offers)


def offered_from(address: str) -> dict[str, str]:
    """What makes a field offer article numbers while one is typed."""
    return {
        "list": "numbers",
        "autocomplete": "off",
        "hx-get": address,
        "hx-trigger": "focus once, input changed delay:250ms",
        "hx-target": "#numbers",
        "hx-sync": "this:replace",
    }
