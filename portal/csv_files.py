"""CSV files as spreadsheets write and open them: columns found by their header, cells kept letter by letter.

A text that a spreadsheet would take for a formula, because it begins with = + - @, is written with an
apostrophe before it, which spreadsheets read as "this is text". So that nothing is lost on the way back, a
text that begins with apostrophes and then one of these signs is given one more; reading takes one away
from just these. What is read is then what was written, whatever it was. Numbers and dates are no texts and
are written as they are: -5.00 stays a number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import Flask, Response, current_app
from flask_babel import get_locale
from flask_babel import gettext as _

from portal.errors import Refused
from portal.scope import current_tenant_id, tenant
from portal.sentences import Sentence, sentence

MOST_BYTES = 5 * 1024 * 1024
MOST_LINES = 50_000
ROWS_AT_ONCE = 1_000  # as many as a file is read by while it is sent

DELIMITERS = ";,\t"
# Excel takes a file without it for Windows-1252, and an umlaut for two other letters.
BYTE_ORDER_MARK = "\ufeff"

# Spreadsheets take the delimiter from the language, since the comma is in German numbers.
DELIMITER_OF = {"de": ";"}
# And 1.50 would be the first of May there, or a month of 1950.
DECIMAL_OF = {"de": ","}

Row = tuple[Any, ...]

WOULD_CALCULATE = re.compile(r"'*[=+\-@]")
MARKED_AS_TEXT = re.compile(r"'+[=+\-@]")


class Unreadable(Refused):
    """The file is no CSV file that could be read line by line."""


@dataclass(frozen=True)
class Column:
    """A column, the header it is written under, and what else its header may be, German first. Case does not count."""

    name: str
    header: str
    also: tuple[str, ...] = ()
    required: bool = False

    @property
    def shown(self) -> str:
        """The header as whoever reads the page calls it."""
        return self.also[0] if self.also and get_locale().language == "de" else self.header

    def is_called(self, header: str) -> bool:
        return _key(header) in {_key(name) for name in (self.header, *self.also)}


@dataclass(frozen=True)
class Line:
    """A line below the header: where it begins in the file, and its cells by the columns' names.

    One with a problem has no cells.
    """

    number: int
    cells: Mapping[str, str]
    problem: Sentence | None = None


@dataclass(frozen=True)
class Table:
    """What a file holds: its lines, and the headers of the columns that nobody asked for."""

    lines: list[Line]
    unread: list[str]


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8, with or without a mark, or Windows-1252. Raises Unreadable."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable(_("The file is text neither in UTF-8 nor in Windows-1252."))


def read(text: str, columns: Sequence[Column]) -> Table:
    """The lines of a file whose first line names the columns, in any order. Raises Unreadable.

    The delimiter is the one by which most columns are found. Empty lines do not count.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    delimiter = max(DELIMITERS, key=lambda delimiter: _known(_header(text, delimiter), columns))
    records = _records(text, delimiter)
    _number, header = next(records, (0, []))
    _check_header(header, columns)
    names = [next((column.name for column in columns if column.is_called(cell)), None) for cell in header]
    lines: list[Line] = []
    for number, cells in records:
        if len(lines) == MOST_LINES:
            raise Unreadable(_("The file has more than %(most)s lines. Divide it.", most=MOST_LINES))
        lines.append(_line(number, cells, names))
    return Table(lines, [cell for cell, name in zip(header, names, strict=True) if name is None and cell.strip()])


def written(
    header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ";", decimal: str = "."
) -> Iterator[str]:
    """The file, in pieces. A text that would be calculated is marked; anything else is written as str() does.

    `decimal` stands in amounts where str() writes a point.
    """
    piece = io.StringIO(newline="")
    writer = csv.writer(piece, delimiter=delimiter)
    piece.write(BYTE_ORDER_MARK)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(cell, decimal) for cell in row])
        if piece.tell() > 16_384:
            yield piece.getvalue()
            piece.seek(0)
            piece.truncate()
    yield piece.getvalue()


def download(name: str, header: Sequence[str], behind: Callable[[Row | None], Sequence[Row]]) -> Response:
    """The file as an answer, sent while its rows are read.

    `behind` reads some rows: the first for None, then those behind the last; none where there are no more.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    pieces = written(header, _read_through(app, current_tenant_id(), behind))
    answer = Response(pieces, mimetype="text/csv")
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


def _read_through(app: Flask, tenant_id: int, behind: Callable[[Row | None], Sequence[Row]]) -> Iterator[Row]:
    """All rows of the tenant. The request is over by now, and no transaction waits for whoever loads the file."""
    last = None
    while True:
        with app.app_context(), tenant(tenant_id):
            rows = behind(last)
        if not rows:
            return
        yield from rows
        last = rows[-1]


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return next((cells for _number, cells in _records(text, delimiter)), [])
    except Unreadable:  # by this delimiter; if by all, reading the file says so
        return []


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with the number of the line it begins in."""
    # Without strict a quote that is never closed would swallow the rest of the file unnoticed.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unreadable(
                _("The file cannot be read from line %(number)s on: a quotation mark is missing.", number=number)
            ) from error
        if any(cells):
            yield number, cells


def _known(header: Sequence[str], columns: Sequence[Column]) -> int:
    return sum(any(column.is_called(cell) for cell in header) for column in columns)


def _check_header(header: Sequence[str], columns: Sequence[Column]) -> None:
    for column in columns:
        times = sum(column.is_called(cell) for cell in header)
        if times > 1:
            raise Unreadable(_("The column “%(name)s” is there %(times)s times.", name=column.shown, times=times))
        if column.required and not times:
            raise Unreadable(
                _(
                    "The first line must name the columns. “%(name)s” is missing; known are: %(names)s.",
                    name=column.shown,
                    names=", ".join(column.shown for column in columns),
                )
            )


def _line(number: int, cells: Sequence[str], names: Sequence[str | None]) -> Line:
    if len(cells) != len(names):
        problem = sentence("The line has %(cells)s cells, the header %(wanted)s.", cells=len(cells), wanted=len(names))
        return Line(number, {}, problem)
    return Line(number, {name: _unmarked(cell) for name, cell in zip(names, cells, strict=True) if name})


def _cell(cell: Any, decimal: str) -> Any:
    if isinstance(cell, Decimal):
        return str(cell).replace(".", decimal)
    return _marked(cell) if isinstance(cell, str) else cell


def _marked(text: str) -> str:
    return f"'{text}" if WOULD_CALCULATE.match(text) else text


def _unmarked(cell: str) -> str:
    return cell[1:] if MARKED_AS_TEXT.match(cell) else cell


def _key(header: str) -> str:
    return " ".join(header.replace("_", " ").split()).casefold()
