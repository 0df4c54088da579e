"""The form of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    BooleanField,
    Field,
    FieldList,
    IntegerField,
    PasswordField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    ValidationError,
)
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from portal.automation import choosing
from portal.automation.choosing import ALL
from portal.automation.kinds import KINDS as ACTION_KINDS
from portal.automation.kinds import Planned, Wrong
from portal.automation.models import ActionKind, Condition, Schema, Task, TaskAction
from portal.automation.triggers import LAST_DAY, LAST_WORKING_DAY, Trigger, TriggerKind, Window
from portal.typed import Form, choices, one_line

MOST_ACTIONS = 5
MOST_TIMES = 24
LONGEST_PAUSE = 7 * 24 * 60  # minutes

KINDS = {
    TriggerKind.CONTINUOUS: _l("Continuously, with a pause"),
    TriggerKind.DAILY: _l("Daily"),
    TriggerKind.WEEKLY: _l("Weekly"),
    TriggerKind.MONTHLY: _l("Monthly"),
    TriggerKind.MANUAL: _l("By hand only"),
}
WEEKDAYS = (_l("Monday"), _l("Tuesday"), _l("Wednesday"), _l("Thursday"), _l("Friday"), _l("Saturday"), _l("Sunday"))
CONDITIONS = {
    Condition.ALWAYS: _l("always"),
    Condition.RAN: _l("if the one before ran"),
    Condition.PROCESSED: _l("if something was processed"),
    Condition.WARNINGS: _l("if there were warnings"),
    Condition.ERRORS: _l("if there were errors"),
}
# Which fields each kind has. The others are hidden, and whatever stands in them is not looked at.
OF_KIND: dict[str, tuple[str, ...]] = {
    TriggerKind.CONTINUOUS: ("pause", "window_begin", "window_end"),
    TriggerKind.DAILY: ("times",),
    TriggerKind.WEEKLY: ("times", "weekdays"),
    TriggerKind.MONTHLY: ("times", "month_day"),
    TriggerKind.MANUAL: (),
}
CLOCK = _l("Write times as 8:00 or 17:30.")


ACTION_FIELDS = tuple(name for kind in ACTION_KINDS.values() for name in kind.fields)
# Those that are shown as one: what is chosen in the first narrows what the others offer.
NARROWING = ("areas", "functions", "schemas")


@dataclass(frozen=True)
class Row:
    """An action in the form. `fields` go with the kinds that have them, as the page hides the others by it."""

    number: int
    kind: Field
    name: Field
    condition: Field
    area: Field
    function: Field
    schema: Field
    fields: list[tuple[str, Field]]

    @property
    def is_empty(self) -> bool:
        own = [self.name, self.area, self.function, self.schema, *(field for _kinds, field in self.fields)]
        has_errors = any(field.errors for field in (self.kind, self.condition, *own))
        return self.kind.data == ActionKind.SCHEMA and not any(field.data for field in own) and not has_errors

    @property
    def fitting(self) -> int:
        """How many schemas there are to choose from."""
        return len(self.schema.choices) - 1


class Rows(FieldList):
    """An entry for each action, at its number, whichever of them are sent: WTForms would close the gaps."""

    def _extract_indices(self, prefix: str, formdata: Any) -> range:
        return range(MOST_ACTIONS)


def _rows(of: Field) -> Rows:
    return Rows(of, min_entries=MOST_ACTIONS, max_entries=MOST_ACTIONS)


class TriggerForm(Form):
    """When a task starts. Only the fields of the chosen kind are looked at."""

    kind = SelectField(_l("Starts"), choices=[SelectChoice(kind.value, label) for kind, label in KINDS.items()])
    times = StringField(
        _l("At"), [Length(max=200)], filters=[one_line], description=_l("One time or several: 8:00, 12:30, 18:00.")
    )
    weekdays = SelectMultipleField(
        _l("On these days"), coerce=int, choices=[SelectChoice(number, label) for number, label in enumerate(WEEKDAYS)]
    )
    month_day = SelectField(
        _l("On the"),
        choices=[
            *(SelectChoice(str(number), f"{number}.") for number in range(1, 32)),
            SelectChoice(LAST_DAY, _l("last day")),
            SelectChoice(LAST_WORKING_DAY, _l("last working day (Monday to Friday)")),
        ],
        description=_l("A month without that day takes its last one."),
    )
    pause = IntegerField(
        _l("Pause in minutes"),
        [Optional(), NumberRange(1, LONGEST_PAUSE)],
        description=_l("From the end of a run to the start of the next."),
    )
    window_begin = StringField(_l("Only from"), [Length(max=8)], filters=[one_line])
    window_end = StringField(
        _l("Only until"),
        [Length(max=8)],
        filters=[one_line],
        description=_l("Both empty: all day. 22:00 until 6:00 goes over midnight."),
    )

    found_times: tuple[time, ...] = ()

    def validate_times(self, field: Field) -> None:
        try:
            self.found_times = parsed_times(field.data or "")
        except ValueError as error:
            raise ValidationError(str(CLOCK)) from error
        if not self.found_times:
            raise ValidationError(str(CLOCK))
        if len(self.found_times) > MOST_TIMES:
            raise ValidationError(_("These are more than %(most)s times.", most=MOST_TIMES))

    def validate_weekdays(self, field: Field) -> None:
        if not field.data:
            raise ValidationError(_("Tick at least one."))

    def validate_window_begin(self, field: Field) -> None:
        if field.data:
            one_time(field.data)

    def validate_window_end(self, field: Field) -> None:
        self.validate_window_begin(field)
        if self.window_begin.errors:
            return
        if bool(field.data) != bool(self.window_begin.data):
            raise ValidationError(_("A window has a beginning and an end."))
        if field.data and one_time(field.data) == one_time(self.window_begin.data):
            raise ValidationError(_("The window would be empty. Leave both empty for all day."))

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        if self.pause.data is None and not self.pause.errors:  # Optional ends the chain of validators
            self.pause.errors = [_("A task that runs continuously needs a pause.")]
        looked_at = OF_KIND.get(self.kind.data, ())
        for name in {name for names in OF_KIND.values() for name in names}.difference(looked_at):
            self[name].errors = []
        return not self.errors

    @property
    def trigger(self) -> Trigger:
        """What was typed, once it is valid."""
        kind = TriggerKind(self.kind.data)
        if kind == TriggerKind.CONTINUOUS:
            window = None
            if self.window_begin.data:
                window = Window(one_time(self.window_begin.data), one_time(self.window_end.data))
            return Trigger(kind, pause=timedelta(minutes=self.pause.data), window=window)
        if kind == TriggerKind.MANUAL:
            return Trigger(kind)
        return Trigger(
            kind,
            self.found_times,
            frozenset(self.weekdays.data) if kind == TriggerKind.WEEKLY else frozenset(),
            self.month_day.data if kind == TriggerKind.MONTHLY else "",
        )


class TaskForm(TriggerForm):
    """A task: its trigger, and up to MOST_ACTIONS actions in order, each of a kind, with its condition.

    The fields of an action stand in one list each, as which kinds.py names them; only those of the row's kind
    are looked at. `present` are the actions of the task there is, which may hold a secret that is kept.
    """

    name = StringField(_l("Name"), [DataRequired(), Length(max=60)], filters=[one_line])
    active = BooleanField(_l("Active"), default=True, description=_l("Off: it rests until it is switched on again."))
    service = SelectField(_l("Service"), coerce=int, description=_l("Whose workers do it."))
    kinds = _rows(
        SelectField(
            _l("Kind"),
            choices=[SelectChoice(kind.value, each.label) for kind, each in ACTION_KINDS.items()],
            default=ActionKind.SCHEMA.value,
        )
    )
    names = _rows(StringField(_l("Title"), [Length(max=60)], filters=[one_line], description=_l("Need not be given.")))
    areas = _rows(SelectField(_l("Area"), default=ALL))
    functions = _rows(SelectField(_l("Function"), default=ALL))
    schemas = _rows(SelectField(_l("Schema"), coerce=int, default=0))
    recipients = _rows(
        StringField(
            _l("E-mail addresses"), filters=[one_line], description=_l("One or several, with commas between them.")
        )
    )
    urls = _rows(
        StringField(
            _l("Address that is called"),
            filters=[one_line],
            render_kw={"inputmode": "url", "placeholder": "https://example.com/hook"},
        )
    )
    secrets = _rows(
        PasswordField(
            _l("Secret"),
            filters=[one_line],
            description=_l("The calls are signed with it. It is never shown; left empty it stays."),
            render_kw={"autocomplete": "new-password"},
        )
    )
    conditions = _rows(
        SelectField(
            _l("Condition"),
            choices=[SelectChoice(one.value, label) for one, label in CONDITIONS.items()],
            default=Condition.ALWAYS.value,
        )
    )

    present: Sequence[TaskAction] = ()
    of_tenant: Sequence[Schema] = ()
    planned: list[Planned]

    def offer(
        self, schemas: Sequence[Schema], services: Mapping[int, str], present: Sequence[TaskAction] = ()
    ) -> TaskForm:
        self.present, self.of_tenant = present, schemas
        if services:
            self.service.choices = choices(services.items())
            if self.service.data is None:
                self.service.data = next(iter(services))
        else:
            del self.service
        for area, function, schema in zip(self.areas, self.functions, self.schemas, strict=True):
            area.choices = choosing.areas_offered()
            function.choices = choosing.functions_offered(ALL, ALL)
            schema.choices = choosing.schemas_offered(schemas, ALL, ALL, None)
        return self

    def narrow(self) -> TaskForm:
        """Offer in each action what fits its area and its function, and what is chosen there, be it wrong."""
        for area, function, schema in zip(self.areas, self.functions, self.schemas, strict=True):
            function.choices = choosing.functions_offered(area.data, function.data)
            schema.choices = choosing.schemas_offered(self.of_tenant, area.data, function.data, schema.data)
        return self

    def let_go(self, number: int) -> None:
        """Take back the function and the schema of an action that are of another area than the chosen one."""
        area, function, schema = self.areas[number], self.functions[number], self.schemas[number]
        if area.data and not (function.data or "").startswith(f"{area.data}."):
            function.data = ALL
        if not any(one.id == schema.data and choosing.fits(one, area.data, function.data) for one in self.of_tenant):
            schema.data = 0

    @property
    def rows(self) -> list[Row]:
        """The actions as the page shows them: of each its fields, and whether there is nothing in it."""
        return [
            Row(
                number,
                self.kinds[number],
                self.names[number],
                self.conditions[number],
                self.areas[number],
                self.functions[number],
                self.schemas[number],
                [
                    (" ".join(kind for kind, each in ACTION_KINDS.items() if name in each.fields), self[name][number])
                    for name in ACTION_FIELDS
                    if name not in NARROWING
                ],
            )
            for number in range(MOST_ACTIONS)
        ]

    @property
    def shown_rows(self) -> int:
        """How many of them are open: those in use, and one for the next."""
        used = [number for number, row in enumerate(self.rows) if not row.is_empty]
        return max(used, default=-1) + 2

    def validate(self, extra_validators: Any = None) -> bool:
        super().validate(extra_validators)
        self.planned = []
        for number in range(MOST_ACTIONS):
            self._read(number)
        for name in ACTION_FIELDS:  # what a list says is what its entries say by now
            said = [entry.errors for entry in self[name]]
            self[name].errors = said if any(said) else []
        if not self.errors and not self.planned:
            self.schemas[0].errors = [_("A task needs at least one action.")]
            self.schemas.errors = [self.schemas[0].errors]
        return not self.errors

    def _read(self, number: int) -> None:
        """Read an action of the form: it is planned, is empty, or its fields say what is wrong."""
        kind = next((kind for kind in ACTION_KINDS if kind == self.kinds[number].data), None)
        if kind is None or self.conditions[number].errors:
            return
        looked_at = ACTION_KINDS[kind].fields
        for name in ACTION_FIELDS:
            if name not in looked_at:
                self[name][number].errors = []
        if any(self[name][number].errors for name in looked_at):
            return
        present = self.present[number] if number < len(self.present) else None
        try:
            read = ACTION_KINDS[kind].read({name: self[name][number].data for name in looked_at}, present)
        except Wrong as wrong:
            self[wrong.field][number].errors = [str(wrong)]
            return
        if read is None:
            if self.names[number].data:
                self[looked_at[-1]][number].errors = [_("Say what this action does, or take its title out.")]
        else:
            condition = Condition(self.conditions[number].data)
            self.planned.append(Planned(condition=condition, kind=kind, name=self.names[number].data or "", **read))


def filled(task: Task) -> dict[str, Any]:
    """What the form shows of a task there is."""
    return {
        "name": task.name,
        "active": task.active,
        "service": task.service_id,
        "kind": task.kind.value,
        "times": ", ".join(clock(at) for at in task.times),
        "weekdays": list(task.weekdays),
        "month_day": task.month_day or "1",
        "pause": task.pause_minutes or None,
        "window_begin": clock(task.window_begin) if task.window_begin else "",
        "window_end": clock(task.window_end) if task.window_end else "",
        "kinds": [action.kind.value for action in task.actions],
        "names": [action.name for action in task.actions],
        "conditions": [action.condition.value for action in task.actions],
        **{
            name: [ACTION_KINDS[action.kind].fill(action).get(name) for action in task.actions]
            for name in ACTION_FIELDS
        },
    }


def clock(at: time) -> str:
    return f"{at.hour}:{at.minute:02d}"


def parsed_times(typed: str) -> tuple[time, ...]:
    """Times of day as people type them, in order: "18:00; 8.00, 12:30". Raises ValueError."""
    pieces = typed.replace(";", " ").replace(",", " ").split()
    return tuple(sorted({_parsed(piece) for piece in pieces}))


def one_time(typed: str) -> time:
    """A time of day. Raises ValidationError."""
    try:
        return _parsed(typed)
    except ValueError as error:
        raise ValidationError(str(CLOCK)) from error


def _parsed(typed: str) -> time:
    hour, _separator, minute = typed.replace(".", ":").partition(":")
    if not (typed.isascii() and hour.isdigit() and minute.isdigit() and len(minute) == 2 and len(hour) <= 2):
        raise ValueError(typed)
    return time(int(hour), int(minute))
