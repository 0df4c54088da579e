"""The columns of the lists of master data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.listings.columns import Column
from portal.presentation import tone


def of_choices(uses: Mapping[int, Sequence[str]]) -> tuple[Column, ...]:
    """`uses` are the places where records are used, in words, by their ids."""
    name = Column("name", _l("Name"), lambda record: record.name, sort="name", heads=True)
    return (name, *_state_and_uses(uses))


def of_codes(uses: Mapping[int, Sequence[str]]) -> tuple[Column, ...]:
    """`uses` as above."""
    code = Column("code", _l("Code"), lambda record: record.code, sort="code", heads=True)
    name = Column("name", _l("Name"), lambda record: record.name or "–", sort="name")
    return (code, name, *_state_and_uses(uses))


def _state_and_uses(uses: Mapping[int, Sequence[str]]) -> tuple[Column, Column]:
    return (
        Column("state", _l("State"), lambda record: _("Active") if record.active else _("Off"), _state),
        Column("uses", _l("Used by"), lambda record: ", ".join(uses.get(record.id, ())) or "–"),
    )


def _state(record: Any) -> Markup:
    return tone("done", _("Active")) if record.active else tone("off", _("Off"))
