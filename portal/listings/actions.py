"""What is done with several rows of a list at once: those that were ticked, or all that match its filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup, escape
from sqlalchemy import select

from portal.errors import Refused
from portal.extensions import db
from portal.lists import is_among, parse_id

# As many ids as an address can carry: web servers read some 4,000 characters of one.
MOST_IN_ADDRESS = 200

# So many records are changed one by one while somebody waits, and of so many it is said why they were not.
MOST_RECORDS = 200
MOST_REASONS = 3


@dataclass(frozen=True)
class Action:
    """An act on rows, `most` at a time.

    Either `on` takes their ids and tells in a sentence what came of it; or `leads` says where it goes on with them,
    None standing for each row there is. `fits` says for which rows it is meant; others it passes over. `caution` is
    what to know before it is done to all that match, and where it `asks` before it is done at all.
    """

    name: str
    label: Any
    symbol: str
    most: int
    caution: Any
    on: Callable[[Sequence[Any]], str] | None = None
    leads: Callable[[Sequence[int] | None], str] | None = None
    fits: Callable[[Any], bool] = lambda row: True
    asks: bool = False


def ticks(id_of: Callable[[Any], Any]) -> Callable[[Any, str], str]:
    """The box by which a row is ticked, from the row and what it is called."""
    opening = '<input type="checkbox" class="form-check-input" form="selection" name="id" value="'
    naming = Markup('" aria-label="{} ').format(_("Select"))
    return lambda row, name: f'{opening}{escape(id_of(row))}{naming}{name}">'


def ids_of(typed: Sequence[str], most: int, parse: Callable[[str], Any] = parse_id) -> list[Any]:
    """The ids that were ticked, `most` of them; what is no id is passed over."""
    return [id for id in dict.fromkeys(map(parse, typed)) if id][:most]


def on_records(
    name: str,
    label: Any,
    symbol: str,
    caution: Any,
    model: Any,
    act: Callable[[Any], object],
    told: Callable[[int], str],
    fits: Callable[[Any], bool] = lambda record: True,
    asks: bool = False,
) -> Action:
    """Act on one record after the other. Those that refuse it stay as they were, and say why.

    `told` says how many it was done with.
    """

    def on(ids: Sequence[int]) -> str:
        records = db.session.scalars(select(model).where(is_among(model.id, ids)).order_by(model.id)).all()
        done, reasons = 0, []
        for record in filter(fits, records):
            try:
                with db.session.begin_nested():
                    act(record)
            except Refused as refused:
                reasons.append(str(refused))
            else:
                done += 1
        more = len(reasons) - MOST_REASONS
        rest = [ngettext("%(num)s more stays as it was.", "%(num)s more stay as they were.", more)] if more > 0 else []
        return " ".join([told(done), *reasons[:MOST_REASONS], *rest])

    return Action(name, label, symbol, MOST_RECORDS, caution, on, fits=fits, asks=asks)


def removal(model: Any, remove: Callable[[Any], object]) -> Action:
    """Remove records; those that are in use stay, and say by what."""

    def told(number: int) -> str:
        return ngettext("%(num)s is removed.", "%(num)s are removed.", number)

    caution = _l("What is removed does not come back. What is in use stays.")
    return on_records("remove", _l("Remove"), "trash", caution, model, remove, told, asks=True)


def _set_active(record: Any, active: bool) -> None:
    record.active = active


def switches(model: Any, switch: Callable[[Any, bool], None] = _set_active) -> tuple[Action, Action]:
    """Switch records on, and off."""

    def told_on(number: int) -> str:
        return ngettext("%(num)s is switched on.", "%(num)s are switched on.", number)

    def told_off(number: int) -> str:
        return ngettext("%(num)s is switched off.", "%(num)s are switched off.", number)

    caution = _l("Those that are so already stay as they are.")
    is_off, is_on = (lambda record: not record.active), (lambda record: bool(record.active))
    on, off = (lambda record: switch(record, True)), (lambda record: switch(record, False))
    return (
        on_records("on", _l("Switch on"), "circle-check", caution, model, on, told_on, is_off),
        on_records("off", _l("Switch off"), "circle-off", caution, model, off, told_off, is_on),
    )


def area_actions(area: str) -> Action:
    """On to the assistant of area actions, with what was ticked or with all there is."""

    def leads(ids: Sequence[int] | None) -> str:
        scope = {"kind": "all"} if ids is None else {"kind": "selection", "ids": list(ids)}
        return url_for("actions.scope", area=area, **scope)

    caution = _l("The next step asks what is to be done with them.")
    return Action("area", _l("Area actions"), "list-check", MOST_IN_ADDRESS, caution, leads=leads)
