"""Lists: a window on many rows, paged by key, whose whole state stands in the URL.

A page is found by the key of the row it follows (never by OFFSET, which reads all it skips), so
the last page costs what the first does. `count_up_to` never counts everything for the same reason.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Self

from flask import request, url_for
from flask_babel import format_date
from sqlalchemy import BigInteger, ColumnElement, Select, any_, func, literal, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from portal.extensions import db

PAGE_ROWS = 50

# Beyond this a list says "more than". Counting 1,000 index entries takes a fifth of a millisecond.
COUNTED = 1_000

# More columns than any list has, and longer names.
MOST_COLUMNS = 50
LONGEST_COLUMN = 40

# Longer than any number, name or tracking number that is searched for.
LONGEST_SEARCH = 120

# A column, as a model's attribute or as an expression, and a query of any columns.
Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Query = Select[*tuple[Any, ...]]

BIGGEST_INT = 2**63 - 1
BIGGEST_SMALL_INT = 2**31 - 1

# A row's id in a route: what no bigint holds is not found, rather than an error of the database.
ID = f"<int(max={BIGGEST_INT}):id>"
SMALL_ID = f"<int(max={BIGGEST_SMALL_INT}):id>"  # of tables whose ids are plain integers


@dataclass(frozen=True)
class Sort:
    """An order of a list. Each row's key is unique; its columns are those of an index, in that order.

    `reads` tells a row's key where the columns are not attributes of it.
    """

    name: str
    key: tuple[Column, ...]
    descending: bool = False
    reads: Callable[[Any], tuple[Any, ...]] | None = None

    def key_of(self, row: Any) -> tuple[Any, ...]:
        return self.reads(row) if self.reads else tuple(getattr(row, str(column.key)) for column in self.key)

    def turned(self) -> Self:
        return replace(self, descending=not self.descending)

    @property
    def in_url(self) -> str:
        return ("-" if self.descending else "") + self.name


@dataclass(frozen=True)
class Filter:
    """A condition a person may set. `parse` returns None for what is no value; `show` words it for the chip.

    `options` are the values to choose among, with their words; of a `day` the browser offers a calendar. Where one of
    the options always holds, `present` is the one that does. What offers nothing is set by links to the list, and
    stays when another filter is set if it `lasts`. `keeps` says which rows a value leaves.
    """

    name: str
    label: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    options: Mapping[Any, Any] = field(default_factory=dict)
    keeps: Callable[[Any], ColumnElement[bool]] | None = None
    day: bool = False
    present: Any = None
    lasts: bool = True

    @classmethod
    def among(
        cls,
        name: str,
        label: str,
        options: Mapping[Any, Any],
        keeps: Callable[[Any], ColumnElement[bool]] | None = None,
        present: Any = None,
    ) -> Self:
        """A filter that has just these values."""
        written = {str(value): value for value in options}
        return cls(name, label, written.get, lambda value: str(options[value]), options, keeps=keeps, present=present)

    @classmethod
    def of_day(cls, name: str, label: str, keeps: Callable[[date], ColumnElement[bool]] | None = None) -> Self:
        """A filter by a day, as the browser's date field sends it."""
        return cls(name, label, parse_day, format_date, keeps=keeps, day=True)


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the list without it."""

    label: str
    value: str
    url_without: str


@dataclass(frozen=True)
class Window:
    """Which rows of a list: at most `rows`, behind the row with this key (or before it)."""

    sort: Sort
    key: tuple[Any, ...] | None = None
    backwards: bool = False
    rows: int = PAGE_ROWS

    def on(self, query: Query, key: Sequence[Column] | None = None) -> Query:
        """The query in the window's order, limited to one row more than shown, which tells of a further page.

        `key` are the sort's columns as the query names them, where it does so otherwise.
        """
        columns = self.sort.key if key is None else tuple(key)
        if self.key is not None:
            values = [literal(value, column.type) for value, column in zip(self.key, columns, strict=True)]
            row, edge = tuple_(*columns), tuple_(*values)
            query = query.where(row < edge if self._falls else row > edge)
        return self.ordered(query, columns).limit(self.rows + 1)

    def among(self, query: Query, id: Column, *conditions: ColumnElement[bool]) -> Query:
        """The query in the window's order, of rows that are few and that the conditions find by their ids.

        They are found before they are put in order: of an order with a limit the planner believes that it is best
        read along, and reads all of a tenant's rows for a few old ones.
        """
        key = [column.label(f"key{place}") for place, column in enumerate(self.sort.key)]
        found = select(id.label("id"), *key).where(*conditions).offset(literal_column("0")).subquery("found")
        keys = self.on(select(found.c.id), [found.c[column.name] for column in key]).subquery("keys")
        return self.ordered(query.join(keys, keys.c.id == id), self.sort.key)

    def ordered(self, query: Query, key: Sequence[Column]) -> Query:
        return query.order_by(*(column.desc() if self._falls else column.asc() for column in key))

    @property
    def _falls(self) -> bool:
        return self.sort.descending != self.backwards


@dataclass(frozen=True)
class View:
    """What the URL asks of a list. Whatever it cannot make sense of it leaves out."""

    endpoint: str
    filters: tuple[Filter, ...]
    sort: Sort
    values: Mapping[str, Any] = field(default_factory=dict)  # parsed, by the filter's name
    raw: Mapping[str, str] = field(default_factory=dict)
    key: tuple[Any, ...] | None = None
    backwards: bool = False
    sorts: tuple[Sort, ...] = ()
    route: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()  # names of those to be shown, where the URL says which

    @classmethod
    def of_request(
        cls,
        endpoint: str,
        sorts_of: Callable[[Mapping[str, Any]], Sequence[Sort]],
        filters: Sequence[Filter] = (),
        **route: Any,
    ) -> Self:
        """The view the current request's URL describes.

        `sorts_of` tells the orders that are possible with these filters, the default first; `route`
        are the arguments of the endpoint itself.
        """
        raw, values = {}, {}
        for wanted in filters:
            typed = request.args.get(wanted.name, "").replace("\x00", "").strip()[:LONGEST_SEARCH]
            value = wanted.parse(typed) if typed else None
            if value is not None:
                raw[wanted.name], values[wanted.name] = typed, value
        sorts = sorts_of(values)
        sort = _sort(request.args.get("sort", ""), sorts)
        backwards = "before" in request.args
        key = decoded_key(request.args.get("before" if backwards else "after", ""), sort.key)
        columns = named_columns(request.args.get("columns", "").split("."))
        return cls(endpoint, tuple(filters), sort, values, raw, key, backwards, tuple(sorts), route, columns)

    def get(self, name: str) -> Any:
        return self.values.get(name)

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """What the filters that are set say of rows."""
        return [each.keeps(self.values[each.name]) for each in self.filters if each.keeps and each.name in self.values]

    @property
    def window(self) -> Window:
        return Window(self.sort, self.key, self.backwards)

    def url(self, **changes: str | None) -> str:
        """The address of this list with other settings. A change leads to the beginning; None takes a setting out."""
        columns = ".".join(self.columns)
        query: dict[str, Any] = {**self.raw, "sort": self.sort.in_url, "columns": columns, **changes}
        if query["sort"] == self.sorts[0].in_url:
            del query["sort"]
        return url_for(self.endpoint, **self.route, **{name: value for name, value in query.items() if value})

    @property
    def place(self) -> dict[str, str | None]:
        """Which of its pages this is, as `url` takes it."""
        return {"before" if self.backwards else "after": encoded_key(self.key)} if self.key else {}

    def sort_url(self, name: str) -> str | None:
        """Where the head of a column leads: to its order, or to the other way round. None: not in this view."""
        if self.sort.name == name:
            return self.url(sort=self.sort.turned().in_url)
        chosen = next((sort for sort in self.sorts if sort.name == name), None)
        return self.url(sort=chosen.in_url) if chosen else None

    def aria_sort(self, name: str) -> str:
        if self.sort.name != name:
            return "none"
        return "descending" if self.sort.descending else "ascending"

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(str(wanted.label), str(wanted.show(self.values[wanted.name])), self.url(**{wanted.name: None}))
            for wanted in self.filters
            if wanted.name in self.values
        ]


@dataclass(frozen=True)
class Page:
    """A page of a list, the pages beside it, and how many rows there are (None: more than COUNTED)."""

    rows: Sequence[Any]
    previous: str | None
    next: str | None
    total: int | None = None

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def page_of(
    view: View, rows_in: Callable[[Window], Sequence[Any]], key_of: Callable[[Any], tuple[Any, ...]], total: int | None
) -> Page:
    """Read one page. `rows_in` reads a window (one row more than it shows), `key_of` names a row's key."""
    window = view.window
    rows = list(rows_in(window))
    if window.backwards and len(rows) <= PAGE_ROWS:
        # What lay before has shrunk to less than a page: that is the beginning.
        window = Window(window.sort)
        rows = list(rows_in(window))
    more, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS]
    if window.backwards:
        rows.reverse()
    has_next = bool(rows) and (more or window.backwards)
    has_previous = window.key is not None and (more or not window.backwards)
    first, last = (encoded_key(key_of(rows[0])), encoded_key(key_of(rows[-1]))) if rows else ("", "")
    return Page(
        rows,
        previous=(view.url(before=first) if rows else view.url()) if has_previous else None,
        next=view.url(after=last) if has_next else None,
        total=total,
    )


def is_among(column: Column, ids: Iterable[int]) -> ColumnElement[bool]:
    """True where the column has one of these ids: one parameter, however many they are."""
    among: ColumnElement[bool] = column == any_(literal(list(ids), ARRAY(BigInteger)))
    return among


def named_columns(typed: Iterable[str]) -> tuple[str, ...]:
    """What may be names of columns, once each; what can be none is passed over."""
    names = (name for name in typed if name.isidentifier() and len(name) <= LONGEST_COLUMN)
    return tuple(dict.fromkeys(names))[:MOST_COLUMNS]


def count_up_to(query: Query, most: int = COUNTED) -> int | None:
    """How many rows the query finds, None if they are more than `most`. Reads no more than these."""
    return counts_up_to([query], most)[0]


def counts_up_to(queries: Sequence[Query], most: int = COUNTED) -> list[int | None]:
    """As `count_up_to`, of several queries by one statement."""
    return counted(counting(queries, most), most)


def counting(queries: Sequence[Query], most: int) -> Query:
    """The statement that counts what the queries find, of each up to one more than `most`."""
    limited = (select(func.count()).select_from(query.limit(most + 1).subquery()) for query in queries)
    return select(*(counted.scalar_subquery() for counted in limited))


def counted(statement: Query, most: int) -> list[int | None]:
    """What a statement made by `counting` counts; None stands for more than `most`."""
    return [number if number <= most else None for number in db.session.execute(statement).one()]


def parse_id(typed: str) -> int | None:
    """A row's id in an address, None for what is none."""
    id = int(typed) if typed.isdecimal() and typed.isascii() and len(typed) < 20 else None
    return id if id is not None and id <= BIGGEST_INT else None


def parse_day(typed: str) -> date | None:
    """A day as the browser's date field sends it, None for anything else or what no order can bear."""
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        return None
    return day if 1990 <= day.year <= 2200 else None


def one_of(values: Container[str]) -> Callable[[str], str | None]:
    """What parses a filter that has just these values."""
    return lambda typed: typed if typed in values else None


def prefix(column: Column, start: str) -> ColumnElement[bool]:
    """True where the column begins with `start`: as a range, which an index serves under a row policy (LIKE not)."""
    end = _after(start)
    return (column >= start) & (column < end) if end else column >= start


def encoded_key(key: Iterable[Any]) -> str:
    """A row's key for the URL."""
    values = [value.isoformat() if isinstance(value, datetime | date) else value for value in key]
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def decoded_key(text: str, columns: Sequence[Column]) -> tuple[Any, ...] | None:
    """The key that `encoded_key` wrote, or None where the text is not one of these columns."""
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != len(columns):
        return None
    key = tuple(_typed(value, column.type) for value, column in zip(values, columns, strict=True))
    return None if None in key else key


def _typed(value: Any, type_: TypeEngine[Any]) -> Any:
    kind = type_.python_type
    if kind is datetime and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment if moment.tzinfo else None
    if kind is date and isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    if kind is int:
        biggest = BIGGEST_INT if isinstance(type_, BigInteger) else BIGGEST_SMALL_INT
        return value if type(value) is int and abs(value) <= biggest else None
    if isinstance(value, str) and "\x00" not in value:
        try:
            value.encode()
        except UnicodeEncodeError:
            return None
        return value
    return None


def _sort(text: str, sorts: Sequence[Sort]) -> Sort:
    name, descending = text.removeprefix("-"), text.startswith("-")
    for sort in sorts:
        if sort.name == name:
            return replace(sort, descending=descending)
    return sorts[0]


def _after(start: str) -> str:
    """The first text behind all that begin with `start`, in the order of code points; empty where there is none."""
    for length in range(len(start), 0, -1):
        code = ord(start[length - 1])
        if code < 0x10FFFF:
            following = 0xE000 if code == 0xD7FF else code + 1  # surrogates are no characters
            return start[: length - 1] + chr(following)
    return ""
