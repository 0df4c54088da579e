"""The columns of the list of platforms."""

from __future__ import annotations

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.listings.columns import Column
from portal.platforms.models import Platform
from portal.presentation import ago, on_or_off, state, word_of


def _reference(platform: Platform) -> Markup:
    return Markup(render_template("platforms/_reference.html", reference=platform.reference))  # noqa: S704


COLUMNS = (
    Column("number", _l("Number"), lambda platform: platform.number, sort="number", classes="num", fixed=True),
    Column("name", _l("Name"), lambda platform: platform.name, sort="name", heads=True),
    Column("marketplaces", _l("Marketplaces"), lambda platform: platform.marketplaces),
    Column(
        "connection",
        _l("Connection"),
        lambda platform: word_of(platform.connection),
        lambda platform: state(platform.connection),
    ),
    Column(
        "active",
        _l("Active"),
        lambda platform: _("On") if platform.active else _("Off"),
        lambda platform: on_or_off(platform.active),
    ),
    Column(
        "last_fetch",
        _l("Last fetch"),
        lambda platform: platform.last_fetch_at,
        lambda platform: ago(platform.last_fetch_at),
    ),
    # Only who speaks with the cloud's people needs it.
    Column("reference", _l("Platform reference"), lambda platform: platform.reference, _reference, hidden=True),
)
