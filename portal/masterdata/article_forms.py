"""The form of an article."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from portal.documents.plan import clean
from portal.masterdata.articles import LONGEST_NUMBER, LONGEST_TITLE, Wares
from portal.masterdata.forms import TAX_CLASSES
from portal.masterdata.models import TaxClass
from portal.typed import Form, choices


def cleaned(typed: str | None) -> str | None:
    """As intake writes a marketplace's texts: a SKU and a number that look the same are the same."""
    return None if typed is None else clean(typed, len(typed))


class ArticleForm(Form):
    """What is kept of an article."""

    number = StringField(_l("Number"), [DataRequired(), Length(max=LONGEST_NUMBER)], filters=[cleaned])
    title = StringField(_l("Title"), [Length(max=LONGEST_TITLE)], filters=[cleaned])
    tax_class = SelectField(
        _l("Tax class"), description=_l("Which goods fall under which class is the law of each country.")
    )
    active = BooleanField(
        _l("Active"), default=True, description=_l("Off: nothing new is assigned to it. What is there stays.")
    )

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.tax_class.choices = choices((tax_class.value, label) for tax_class, label in TAX_CLASSES.items())

    def wares(self) -> Wares:
        """What was typed, once it is valid."""
        return Wares(
            self.number.data or "", self.title.data or "", TaxClass(self.tax_class.data), bool(self.active.data)
        )
