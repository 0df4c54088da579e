"""The columns of the lists of doubles and of merges."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.addresses.doubles import Pair
from portal.listings.columns import Column, leading, link, posting
from portal.presentation import address_of, ago, icon, number, tone


def of_pairs(may_merge: bool) -> tuple[Column, ...]:
    """With the buttons that settle a pair, where the reader may."""
    show, alike = address_of("addresses.show"), (_("E-mail address"), _("Name, postcode and street"))
    shown = (
        Column("number", _l("Address"), lambda pair: pair.newer.number, classes="tabular", heads=True),
        Column(
            "older",
            _l("Older address"),
            lambda pair: pair.older.number,
            lambda pair: link(show(pair.older.id), pair.older.number),
            classes="tabular",
        ),
        Column("alike", _l("Alike in"), lambda pair: alike[pair.alike_in_place]),
        Column("name", _l("Name"), lambda pair: pair.newer.name or pair.newer.company or "–"),
        Column("place", _l("Place"), lambda pair: " ".join(filter(None, _place(pair))) or "–"),
    )
    return (*shown, _settling()) if may_merge else shown


def of_merges(may_undo: bool) -> tuple[Column, ...]:
    """With a button that takes a merge back, where the reader may."""
    show, undo = address_of("addresses.show"), address_of("addresses.undo")
    button = posting(icon("arrow-back-up") + _("Undo"))

    def undone(row: Any) -> Markup | str:
        if row.undone_at:
            return Markup("<span>{} {}</span>").format(tone("off", _("Undone")), ago(row.undone_at))
        return button(undo(row.id)) if may_undo else "–"

    return (
        Column("kept", _l("Address that stayed"), lambda row: _called(row.kept_number, row.kept_name), heads=True),
        Column(
            "merged",
            _l("Merged address"),
            lambda row: _called(row.merged_number, row.merged_name),
            lambda row: link(show(row.merged_id), _called(row.merged_number, row.merged_name)),
        ),
        Column(
            "documents",
            _l("Documents moved"),
            lambda row: row.documents,
            lambda row: number(row.documents),
            classes="num",
        ),
        Column("by", _l("By"), lambda row: row.merged_by or "–"),
        Column("at", _l("Merged"), lambda row: row.merged_at, lambda row: ago(row.merged_at)),
        Column("undone", _l("Undo"), lambda row: row.undone_at, undone),
    )


def _settling() -> Column:
    comparison, apart = address_of("addresses.compare"), address_of("addresses.keep_apart")
    compare, keep_apart = leading(_("Compare")), posting(_("Two people"))

    def buttons(pair: Pair) -> Markup:
        newer, older = pair.newer, pair.older
        comparing = compare(f"{comparison(newer.id)}?number={quote_plus(older.number)}", newer.number)
        return Markup(  # noqa: S704 - of buttons
            f'<div class="btn-list">{comparing}{keep_apart(apart(newer.id), older.number)}</div>'
        )

    return Column("settle", _l("Actions"), None, buttons, fixed=True)


def _place(pair: Pair) -> tuple[str | None, str | None]:
    return pair.newer.postal_code, pair.newer.city


def _called(number: str, name: str | None) -> str:
    return f"{number} · {name or '–'}"
