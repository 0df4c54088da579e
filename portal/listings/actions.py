"""What is done with several rows of a list at once: those that were ticked, or all that match its filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.lists import parse_id

# As many ids as an address can carry: web servers read some 4,000 characters of one.
MOST_IN_ADDRESS = 200


@dataclass(frozen=True)
class Action:
    """An act on rows, `most` at a time.

    Either `on` takes their ids and tells in a sentence what came of it; or `leads` says where it goes on with them,
    None standing for each row there is. `fits` says for which rows it is meant. `caution` is what to know before it
    is done to all that match.
    """

    name: str
    label: Any
    symbol: str
    most: int
    caution: Any
    on: Callable[[Sequence[int]], str] | None = None
    leads: Callable[[Sequence[int] | None], str] | None = None
    fits: Callable[[Any], bool] = lambda row: True


def ticks_of(action: Action) -> Callable[[Any, str], str]:
    """The box by which a row is ticked, from the row and what it is called; empty where the action is not for it."""
    opening = '<input type="checkbox" class="form-check-input" form="selection" name="id" value="'
    naming = Markup('" aria-label="{} ').format(_("Select"))

    def box(row: Any, name: str) -> str:
        return f'{opening}{int(row.id)}{naming}{name}">' if action.fits(row) else ""

    return box


def ids_of(typed: Sequence[str], most: int) -> list[int]:
    """The ids that were ticked, `most` of them; what is no id is passed over."""
    return [id for id in dict.fromkeys(map(parse_id, typed)) if id][:most]


def area_actions(area: str) -> Action:
    """On to the assistant of area actions, with what was ticked or with all there is."""

    def leads(ids: Sequence[int] | None) -> str:
        scope = {"kind": "all"} if ids is None else {"kind": "selection", "ids": list(ids)}
        return url_for("actions.scope", area=area, **scope)

    caution = _l("The next step asks what is to be done with them.")
    return Action("area", _l("Area actions"), "list-check", MOST_IN_ADDRESS, caution, leads=leads)
