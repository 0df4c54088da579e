"""The forms of the assistant. Its steps carry what was chosen in their addresses, so that going back keeps it."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    Field,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectMultipleField,
    StringField,
    ValidationError,
)
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from portal.automation.areas import Area, Scope, ScopeKind, Step
from portal.listings.actions import ids_of
from portal.platforms.forms import LARGEST_NUMBER
from portal.typed import Form, choices, one_line

MOST_SELECTED = 500
LONGEST_NUMBER = 40
# Amazon's are 3-7-7 digits, other marketplaces' are longer.
LONGEST_ORDER_ID = 64
# As many as the cloud looks back.
MOST_DAYS = 30

KINDS = {
    ScopeKind.SELECTION: _l("What was selected"),
    ScopeKind.ALL: _l("All"),
    ScopeKind.RANGE: _l("A range"),
}


class _Step(Form):
    """A form whose values stand in the address: nothing changes by it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formdata=request.values, meta={"csrf": False}, **options)


class ScopeForm(_Step):
    """Which records."""

    kind = RadioField(_l("Which"), default=ScopeKind.ALL.value)
    first = StringField(_l("From number"), [Length(max=LONGEST_NUMBER)], filters=[one_line])
    last = StringField(_l("To number"), [Length(max=LONGEST_NUMBER)], filters=[one_line])
    platform = IntegerField(
        _l("Platform number"),
        [Optional(), NumberRange(1, LARGEST_NUMBER)],
        description=_l("Only what belongs to this platform. Empty: all."),
    )

    def __init__(self, area: Area) -> None:
        self.area = area
        self.ids = tuple(sorted(ids_of(request.values.getlist("ids"), MOST_SELECTED)))
        super().__init__()
        offered = [kind for kind in KINDS if kind != ScopeKind.SELECTION or self.ids]
        self.kind.choices = choices((kind.value, KINDS[kind]) for kind in offered)
        if self.kind.data is None or (self.ids and "kind" not in request.values):
            self.kind.data = (ScopeKind.SELECTION if self.ids else ScopeKind.ALL).value

    def validate_kind(self, field: Field) -> None:
        typed = self.first.data or self.last.data or self.platform.data
        if field.data != ScopeKind.RANGE and typed:  # else more would be done than was meant
            raise ValidationError(_("A range is typed below: choose it, or leave its fields empty."))

    def validate_first(self, field: Field) -> None:
        if field.data and self.area.numeric and not _whole(field.data):
            raise ValidationError(_("This is a whole number, such as 2."))

    def validate_last(self, field: Field) -> None:
        self.validate_first(field)
        first, last = self.first.data or "", field.data or ""
        if self.area.numeric and _whole(first):
            first, last = first.zfill(LONGEST_NUMBER), last.zfill(LONGEST_NUMBER)
        if field.data and last < first:
            raise ValidationError(_("This lies before the first one."))

    @property
    def scope(self) -> Scope:
        kind = ScopeKind(self.kind.data)
        if kind == ScopeKind.SELECTION:
            return Scope(kind, self.ids)
        if kind == ScopeKind.ALL:
            return Scope(kind)
        return Scope(kind, (), self.first.data or "", self.last.data or "", self.platform.data)


class StepsForm(_Step):
    """What is done with them, and what the presets ask for."""

    presets = SelectMultipleField(_l("What is to be done"))
    order_id = StringField(_l("Order number"), [Length(max=LONGEST_ORDER_ID)], filters=[one_line])

    days = IntegerField(_l("Days"), [Optional(), NumberRange(1, MOST_DAYS)])

    def __init__(self, area: Area) -> None:
        self.area = area
        super().__init__()
        self.presets.choices = [SelectChoice(preset.name, preset.label) for preset in area.presets]

    def validate_presets(self, field: Field) -> None:
        if not field.data:
            raise ValidationError(_("Tick at least one."))

    def validate_order_id(self, field: Field) -> None:
        if not field.data and self._need(field):
            raise ValidationError(_("Fetching one order needs its number."))

    def validate(self, extra_validators: Any = None) -> bool:
        valid: bool = super().validate(extra_validators)
        if self.days.data is None and not self.days.errors and self._need(self.days):  # Optional ends the chain
            self.days.errors = [_("Reconciling needs the number of days.")]
            return False
        return valid

    @property
    def steps(self) -> list[Step]:
        """In the order in which the area offers them."""
        chosen = [preset for preset in self.area.presets if preset.name in self.presets.data]
        return [Step(preset.name, {preset.needs: self[preset.needs].data} if preset.needs else {}) for preset in chosen]

    def _need(self, field: Field) -> bool:
        """True where a preset that is ticked asks for this field."""
        ticked = self.presets.data or ()
        return any(preset.needs == field.name for preset in self.area.presets if preset.name in ticked)


class SchemaForm(Form):
    """A name to keep the actions under."""

    name = StringField(_l("Name of the schema"), [DataRequired(), Length(max=60)], filters=[one_line])


def _whole(typed: str) -> bool:
    return typed.isascii() and typed.isdigit() and len(typed) <= len(str(LARGEST_NUMBER))
