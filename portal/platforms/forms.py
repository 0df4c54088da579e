"""The forms of a platform."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Field, SelectChoice, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from portal.errors import Refused
from portal.marketplaces import parse_countries
from portal.platforms.models import ArticleRule, UnknownSku
from portal.presentation import DOCUMENT_TYPES
from portal.typed import Form, WholeField, choices, one_line

LARGEST_NUMBER = 999_999
LONGEST_ARTICLE = 60


class PlatformForm(Form):
    """`marketplaces` keeps what was typed; `marketplace_ids` is what it means."""

    number = WholeField(_l("Number"), [InputRequired(), NumberRange(1, LARGEST_NUMBER)])
    name = StringField(_l("Name"), [DataRequired(), Length(max=60)], filters=[one_line])
    active = BooleanField(_l("Active"), default=True, description=_l("Off: orders are neither collected nor fetched."))
    credential = SelectField(_l("Credential"), coerce=int)
    marketplaces = StringField(
        _l("Marketplaces"),
        [DataRequired(), Length(max=200)],
        filters=[one_line],
        description=_l("Country codes of one region, such as DE;UK;PL."),
    )

    marketplace_ids: list[str]

    def validate_marketplaces(self, field: Field) -> None:
        try:
            self.marketplace_ids = parse_countries(field.data)
        except Refused as refused:
            raise ValidationError(str(refused)) from refused


class CreationForm(Form):
    """What a platform's orders become, where no mapping says otherwise."""

    document_type = SelectField(
        _l("Document type"),
        choices=choices((type.value, label) for type, label in DOCUMENT_TYPES.items()),
        description=_l(
            "A sales order follows the marketplace until it is shipped. An invoice is final: what changes afterwards "
            "is said beside it. Orders that are documents already stay what they are."
        ),
    )
    payment_terms = SelectField(_l("Payment terms"), coerce=int)
    payment_method = SelectField(_l("Payment method"), coerce=int)
    shipping_method = SelectField(_l("Shipping method"), coerce=int)
    freight_article = StringField(
        _l("Freight item"),
        [DataRequired(), Length(max=LONGEST_ARTICLE)],
        filters=[one_line],
        description=_l("The article number that freight is booked under. It must not calculate freight itself."),
    )
    discount_article = StringField(_l("Item for discounts"), [Length(max=LONGEST_ARTICLE)], filters=[one_line])
    gift_wrap_article = StringField(_l("Item for gift wrap"), [Length(max=LONGEST_ARTICLE)], filters=[one_line])
    other_article = StringField(
        _l("Item for other services"),
        [Length(max=LONGEST_ARTICLE)],
        filters=[one_line],
        description=_l("Where one of these three is empty, its line has no article number."),
    )
    article_rule = SelectField(
        _l("Articles"),
        choices=[
            SelectChoice(ArticleRule.SAME.value, _l("The SKU is the article number")),
            SelectChoice(ArticleRule.STRIP_PREFIX.value, _l("The SKU without its beginning")),
            SelectChoice(ArticleRule.TABLE.value, _l("Only what is assigned in the table")),
        ],
        description=_l("What is assigned to a SKU in the table always comes first."),
    )
    sku_prefix = StringField(_l("Beginning to leave out"), [Length(max=LONGEST_ARTICLE)], filters=[one_line])
    unknown_sku = SelectField(
        _l("SKU without an article"),
        choices=[
            SelectChoice(UnknownSku.FREE_TEXT.value, _l("A line without article, with the SKU and the title")),
            SelectChoice(UnknownSku.HOLD.value, _l("Hold the order")),
        ],
    )

    def validate_sku_prefix(self, field: Field) -> None:
        if self.article_rule.data == ArticleRule.STRIP_PREFIX.value and not field.data:
            raise ValidationError(_("Say what the SKUs begin with."))


class DefaultsForm(Form):
    """Which addresses a platform's orders get. Addresses are named by their numbers."""

    address_status = SelectField(
        _l("Status of new customers"),
        coerce=int,
        description=_l("A customer who is in the address book already keeps the status he has."),
    )
    guest_status = SelectField(_l("Status of guests"), coerce=int)
    collective = StringField(
        _l("Collective address"),
        [Length(max=LONGEST_ARTICLE)],
        filters=[one_line],
        description=_l(
            "The number of one address for all buyers, so that the address book does not grow. "
            "Empty: each buyer gets an address. Where a parcel goes stands on the document either way."
        ),
    )
    marketplace = StringField(
        _l("Address of the marketplace"),
        [Length(max=LONGEST_ARTICLE)],
        filters=[one_line],
        description=_l(
            "The number of the marketplace’s own address, with its VAT id: for orders that it buys itself and "
            "sells on (Invoice by Amazon). Empty: such orders are held."
        ),
    )


class DisconnectForm(Form):
    """Confirmed by typing the platform's name."""

    name = StringField(_l("Name of the platform"), [DataRequired()], filters=[one_line])
