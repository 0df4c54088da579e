"""How values look on every page: states, times, money, and what stands in the frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel import dates, numbers
from flask import Flask, g, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from markupsafe import Markup

from portal import counts
from portal.automation.models import Ending, RunState, Severity
from portal.dashboard import MOST
from portal.documents.models import LineKind, State
from portal.documents.tax import TaxCase
from portal.lists import COUNTED
from portal.masterdata.countries import country_name
from portal.masterdata.territories import COUNTS_AS, Territory
from portal.notices.alarm import Alarm
from portal.notices.registry import SOURCES
from portal.platforms.models import Connection, DocumentType
from portal.sentences import say
from portal.setup.steps import StepState
from portal.shipments.models import MessageState
from portal.tenants.models import Role
from portal.tenants.session import LANGUAGES, current_tenant, reader

STATIC = Path(__file__).parent / "static"
SPRITE = "vendor/tabler-icons-3.51.0/sprite.svg"
YEAR = 365 * 24 * 3600
STAND_IN = 2_000_000_011  # an id for addresses of rows yet unknown: nothing else in them looks like it

# How many formatted values a process remembers: people look at the same rows again and again, and
# formatting took half of a list's time.
REMEMBERED = 16_384


class Tone(StrEnum):
    """What a state asks of the reader. Each has its colour and its symbol; the word is the state's own."""

    WAITING = "waiting"
    DONE = "done"
    ATTENTION = "attention"
    FAILED = "failed"
    OFF = "off"


SYMBOLS = {
    Tone.WAITING: "clock",
    Tone.DONE: "check",
    Tone.ATTENTION: "alert-triangle",
    Tone.FAILED: "circle-x",
    Tone.OFF: "circle-dashed",
}

# Every state a page may show: its tone and its word.
STATES: dict[StrEnum, tuple[Tone, Any]] = {
    State.OPEN: (Tone.WAITING, _l("Open")),
    State.PARTLY_SHIPPED: (Tone.WAITING, _l("Partly shipped")),
    State.SHIPPED: (Tone.DONE, _l("Shipped")),
    State.CANCELLED: (Tone.OFF, _l("Cancelled")),
    MessageState.QUEUED: (Tone.WAITING, _l("Queued")),
    MessageState.SENT: (Tone.WAITING, _l("Sent")),
    MessageState.CONFIRMED: (Tone.DONE, _l("Confirmed")),
    MessageState.FAILED: (Tone.FAILED, _l("Failed")),
    Connection.NOT_AUTHENTICATED: (Tone.ATTENTION, _l("Not authenticated")),
    Connection.AUTHENTICATED: (Tone.DONE, _l("Authenticated")),
    Connection.REVOKED: (Tone.FAILED, _l("Withdrawn")),
    RunState.QUEUED: (Tone.WAITING, _l("Queued")),
    RunState.RUNNING: (Tone.WAITING, _l("Running")),
    RunState.DONE: (Tone.DONE, _l("Done")),
    RunState.FAILED: (Tone.FAILED, _l("Failed")),
    RunState.STOPPED: (Tone.OFF, _l("Stopped")),
    Ending.MOVING: (Tone.WAITING, _l("Under way")),
    Ending.OK: (Tone.DONE, _l("OK")),
    # What a run came to and what a message weighs is one word, as it is one value.
    Severity.WARNING: (Tone.ATTENTION, _l("Warning")),
    Severity.ERROR: (Tone.FAILED, _l("Error")),
    StepState.DONE: (Tone.DONE, _l("Done")),
    StepState.TODO: (Tone.ATTENTION, _l("To do")),
    StepState.UNDER_WAY: (Tone.WAITING, _l("Under way")),
    StepState.ATTENTION: (Tone.FAILED, _l("Problem")),
    StepState.WAITS: (Tone.OFF, _l("Later")),
}

DOCUMENT_TYPES = {
    DocumentType.ORDER: _l("Sales order"),
    DocumentType.INVOICE: _l("Invoice"),
}
LINE_KINDS = {
    LineKind.ARTICLE: _l("Article"),
    LineKind.FREIGHT: _l("Freight"),
    LineKind.GIFT_WRAP: _l("Gift wrap"),
    LineKind.DISCOUNT: _l("Discount"),
    LineKind.OTHER: _l("Other"),
}
TAX_CASES = {
    TaxCase.DOMESTIC: _l("of the home country"),
    TaxCase.ONE_STOP_SHOP: _l("of the country of delivery, one-stop shop"),
    TaxCase.REVERSE_CHARGE: _l("reverse charge"),
    TaxCase.EXPORT: _l("export"),
    TaxCase.COLLECTED: _l("collected by the marketplace"),
}
# As they stand behind “delivered to”.
TERRITORIES = {
    Territory.AKROTIRI_AND_DHEKELIA: _l("Akrotiri and Dhekelia"),
    Territory.ALAND: _l("the Åland Islands"),
    Territory.BUESINGEN: _l("Büsingen"),
    Territory.CAMPIONE: _l("Campione d’Italia"),
    Territory.CANARY_ISLANDS: _l("the Canary Islands"),
    Territory.CEUTA: _l("Ceuta"),
    Territory.FRENCH_OVERSEAS: _l("the French overseas territories"),
    Territory.HELIGOLAND: _l("Heligoland"),
    Territory.ISLE_OF_MAN: _l("the Isle of Man"),
    Territory.LIVIGNO: _l("Livigno"),
    Territory.MELILLA: _l("Melilla"),
    Territory.MONACO: _l("Monaco"),
    Territory.MOUNT_ATHOS: _l("Mount Athos"),
    Territory.NORTHERN_IRELAND: _l("Northern Ireland"),
}
CAUSES = {
    "schedule": _l("Schedule"),
    "person": _l("Fetch now"),
    "event": _l("Event of the cloud"),
    "action": _l("Area action"),
}
TASK_CAUSES = {"schedule": _l("Schedule"), "person": _l("A person")}


@dataclass(frozen=True)
class Entry:
    """A line of the navigation, with how much of it needs a person."""

    endpoint: str
    label: Any
    icon: str
    counted: str | None = None
    role: Role = Role.CLERK

    @property
    def part(self) -> str:
        return self.endpoint.partition(".")[0]


# In the order of the work.
NAVIGATION = (
    Entry("dashboard.index", _l("Dashboard"), "layout-dashboard"),
    Entry("documents.index", _l("Orders & documents"), "file-text"),
    Entry("held.index", _l("Held"), "hand-stop", "held"),
    Entry("shipments.index", _l("Shipping"), "truck", "messages"),
    Entry("addresses.index", _l("Addresses"), "address-book"),
    Entry("platforms.index", _l("Platforms"), "building-store", "to_connect"),
    Entry("masterdata.index", _l("Master data"), "table"),
    Entry("credentials.index", _l("Credentials"), "key"),
    Entry("tasks.index", _l("Automation"), "clock", "locked_tasks"),
    Entry("jobs.index", _l("Jobs"), "list-check"),
)


# Parts whose pages belong to the line of another part.
BELONGS_TO = {
    "actions": "jobs",
    "articles": "masterdata",
    "assignments": "platforms",
    "creation": "platforms",
    "history": "tasks",
    "services": "tasks",
    "setup": "platforms",
}


def init_app(app: Flask) -> None:
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = YEAR  # every address of a file carries the hash of its content
    app.context_processor(_frame)
    app.jinja_env.install_gettext_callables(_translated, _translated_plural, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals.update(
        address_of=address_of,
        asset=asset,
        part_of=part_of,
        icon=icon,
        state=state,
        tone=tone,
        document_types=DOCUMENT_TYPES,
        line_kinds=LINE_KINDS,
        tax_cases=TAX_CASES,
        causes=CAUSES,
        task_causes=TASK_CAUSES,
        get_locale=get_locale,
        languages=LANGUAGES,
        counted_rows=COUNTED,
    )
    app.jinja_env.filters.update(
        ago=ago,
        moment=moment,
        weekday=weekday,
        duration=duration,
        day=day,
        money=money,
        number=number,
        badge_number=badge_number,
        capped=capped,
        say=say,
        delivered_to=delivered_to,
    )


def part_of(endpoint: str | None) -> str:
    """The line of the navigation that a page belongs to."""
    part = (endpoint or "").partition(".")[0]
    return BELONGS_TO.get(part, part)


def address_of(endpoint: str, name: str = "id") -> Callable[[int], str]:
    """Where the pages of many rows are, by their ids: asked of the routes once, not for each row.

    `name` is what the id is called in the address.
    """
    values: dict[str, Any] = {name: STAND_IN}
    before, _, after = url_for(endpoint, **values).partition(str(STAND_IN))
    return lambda id: f"{before}{id}{after}"


@cache
def asset(filename: str) -> str:
    """The address of a static file, with its content's hash: a new version is a new address."""
    digest = hashlib.sha256((STATIC / filename).read_bytes()).hexdigest()
    return f"/static/{filename}?v={digest[:12]}"


@cache
def icon(name: str, classes: str = "") -> Markup:
    """A symbol of the sprite, hidden from screen readers: a word always stands beside it."""
    return Markup('<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>').format(
        classes, asset(SPRITE), name
    )


def tone(name: Tone | str, word: Any) -> Markup:
    """A word with the colour and the symbol of its tone."""
    return _toned(Tone(name), str(word))


def state(value: StrEnum) -> Markup:
    """A state as it looks everywhere."""
    return _state(value, reader().language)


def words_of(labels: Mapping[str, Any]) -> dict[str, str]:
    """The labels in the reader's language: translated once, not in each row of a list."""
    return {name: str(label) for name, label in labels.items()}


def word_of(value: StrEnum) -> str:
    """A state as a word alone."""
    return str(STATES[value][1])


def beneath(problem: str | None) -> Markup:
    """A kept sentence under a state, nothing where there is none."""
    return Markup('<br><span class="text-secondary">{}</span>').format(say(problem)) if problem else Markup()


def on_or_off(value: bool) -> Markup:
    return tone(Tone.DONE, _("On")) if value else tone(Tone.OFF, _("Off"))


def ago(at: datetime | None) -> Markup:
    """How long ago, with the exact time in the title, in the tenant's zone. A dash where there is no time."""
    if at is None:
        return Markup('<span class="text-secondary">–</span>')
    passed = round((at - datetime.now(UTC)).total_seconds())
    here = reader()
    words = here.translations.gettext("just now") if abs(passed) < 10 else _ago(passed, here.language)
    return _time(at, _moment(at, here.zone, here.language), words)


def moment(at: datetime | None) -> str:
    """The exact time in the tenant's zone."""
    return _moment(at, reader().zone, reader().language) if at is not None else "–"


def weekday(at: datetime) -> str:
    """The day of the week in the tenant's zone, in short."""
    return dates.format_datetime(at, "ccc", reader().zone, reader().language)


def duration(lasted: timedelta | None) -> str:
    """How long something took: tenths of a second below a minute, then as a clock shows it."""
    if lasted is None:
        return "–"
    seconds = lasted.total_seconds()
    if seconds < 60:
        return f"{number(round(Decimal(seconds), 1))} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def day(at: date | None) -> str:
    return _day(at, reader().language) if at is not None else "–"


def money(amount: Decimal, currency: str) -> str:
    """An amount with its currency, as the reader's language writes it."""
    return _money(amount, currency, reader().language)


def number(value: int | Decimal) -> str:
    return _number(value, reader().language)


def capped(value: int | None, most: int = MOST) -> str:
    """A count that went no further than `most`: None says that there are more."""
    return number(value) if value is not None else _("more than %(most)s", most=number(most))


def delivered_to(territory: Territory) -> str:
    """Where goods went, and what that means for their tax."""
    place = str(TERRITORIES[territory])
    counts_as = COUNTS_AS.get(territory)
    if counts_as is None:
        return _("Delivered to %(place)s: outside of the EU’s VAT area.", place=place)
    if territory == Territory.NORTHERN_IRELAND:
        return _("Delivered to %(place)s: for goods a part of the EU’s VAT area.", place=place)
    return _("Delivered to %(place)s: taxed as %(country)s.", place=place, country=country_name(counts_as))


def badge_number(value: int) -> str:
    return f"{counts.MOST}+" if value > counts.MOST else str(value)


def _frame() -> dict[str, Any]:
    """What base.html needs. Read only by pages that extend it: the values are functions."""
    return {"navigation": _navigation, "alarms": _alarms, "here": current_tenant, "may": _may}


def _may(role: str) -> bool:
    return bool(current_user.is_authenticated and current_user.may(Role(role)))


def _navigation() -> list[tuple[Entry, int]]:
    needed = _needed()
    shown = [entry for entry in NAVIGATION if current_user.may(entry.role)]
    return [(entry, needed[entry.counted] if entry.counted else 0) for entry in shown]


def _alarms() -> list[Alarm]:
    """What has stopped. Asked for only where the navigation's counts say that there is any."""
    needed = _needed()
    return [alarm for source in SOURCES.values() if needed[source.counted] for alarm in source.alarms()]


def _needed() -> dict[str, int]:
    """What waits for a person, counted once a page."""
    if "needed" not in g:
        g.needed = counts.needing_a_person()
    found: dict[str, int] = g.needed
    return found


@lru_cache(REMEMBERED)
def _ago(seconds: int, language: str) -> str:
    return dates.format_timedelta(seconds, add_direction=True, locale=language)


@lru_cache(REMEMBERED)
def _moment(at: datetime, zone: tzinfo, language: str) -> str:
    return dates.format_datetime(at, "medium", zone, language)


@lru_cache(REMEMBERED)
def _day(at: date, language: str) -> str:
    return dates.format_date(at, "medium", language)


@lru_cache(REMEMBERED)
def _money(amount: Decimal, currency: str, language: str) -> str:
    return numbers.format_currency(amount, currency, locale=language)


@lru_cache(REMEMBERED)
def _number(value: int | Decimal, language: str) -> str:
    return numbers.format_decimal(value, locale=language)


@lru_cache(REMEMBERED)
def _time(at: datetime, exactly: str, words: str) -> Markup:
    written = at.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(written, exactly, words)


@cache
def _state(value: StrEnum, language: str) -> Markup:
    """The state in the reader's language, which must be this one."""
    wanted, word = STATES[value]
    return tone(wanted, word)


@lru_cache(REMEMBERED)
def _toned(tone: Tone, word: str) -> Markup:
    return Markup('<span class="state state-{}">{}<span>{}</span></span>').format(tone.value, icon(SYMBOLS[tone]), word)


def _translated(text: str) -> str:
    """What `_()` does in templates, without looking for the reader's language at each of some 300 texts a page."""
    return str(reader().translations.gettext(text))


def _translated_plural(singular: str, plural: str, number: int) -> str:
    return str(reader().translations.ngettext(singular, plural, number))
