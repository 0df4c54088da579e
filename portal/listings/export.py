"""What a list shows, as a file: all the rows that match, in its order and in the columns that are shown.

Rows are read by the page, and no page is kept: a file of a million rows takes the memory of a thousand. No
transaction waits for whoever loads the file.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from flask import Response, send_file, stream_with_context
from flask.typing import ResponseReturnValue
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from portal.csv_files import DECIMAL_OF, DELIMITER_OF, written
from portal.extensions import db
from portal.listings.columns import Column
from portal.scope import current_tenant_id, tenant
from portal.tenants.session import reader

KINDS = {"csv": "CSV", "xlsx": "XLSX"}
ROWS_AT_ONCE = 1_000

SHEET_ROWS = 1_048_576  # what a sheet of an XLSX file holds; the rest goes on the next one
LONGEST_CELL = 32_767  # and a cell of it
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Pages = Iterator[Callable[[], Sequence[Any]]]


def answer(kind: str, title: str, shown: Sequence[Column], pages: Pages) -> ResponseReturnValue:
    """The file as an answer, named by the list and the day."""
    columns = [each for column in shown for each in (column, column.beside) if each is not None and each.value]
    header, zone = [str(column.label) for column in columns], reader().zone
    name = f"{_in_file_name(title)}-{datetime.now(zone):%Y-%m-%d}.{kind}"
    rows = _rows(columns, pages, zone, current_tenant_id())
    if kind == "xlsx":
        return send_file(_workbook(header, rows), mimetype=EXCEL, as_attachment=True, download_name=name)
    language = reader().language
    pieces = written(
        header, map(_as_text, rows), DELIMITER_OF.get(language, ","), decimal=DECIMAL_OF.get(language, ".")
    )
    response = Response(stream_with_context(pieces), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _rows(columns: Sequence[Column], pages: Pages, zone: tzinfo, tenant_id: int) -> Iterator[list[Any]]:
    """The cells of all rows, moments as a clock in the zone shows them."""
    values = [column.value for column in columns if column.value]

    def cells(read: Callable[[], Sequence[Any]]) -> list[list[Any]]:
        with tenant(tenant_id):  # the request's own scope may have ended by now
            page = [[_plain(value(row), zone) for value in values] for row in read()]
            db.session.rollback()  # nothing was written, and nothing is to be held while the file is loaded
            return page

    for read in pages:
        yield from cells(read)


def _plain(value: Any, zone: tzinfo) -> Any:
    """What files know: texts, numbers, days, and moments without a zone."""
    if isinstance(value, datetime):
        return value.astimezone(zone).replace(tzinfo=None, microsecond=0)
    if value is None or isinstance(value, bool | str) or not isinstance(value, int | Decimal | date):
        return "" if value is None else str(value)
    return value


def _as_text(row: Sequence[Any]) -> list[Any]:
    return [cell.isoformat(" ") if isinstance(cell, datetime) else cell for cell in row]


def _workbook(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Any:
    """The XLSX file, on the disk until it is sent."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the server once it is sent
    # Rows are written to the disk one by one; texts are texts, whatever they look like.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(file, options) as book:
        bold = book.add_format({"bold": True})
        moment, day = (book.add_format({"num_format": form}) for form in ("yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd"))
        sheet, next_row = _sheet(book, header, bold), 1
        for row in rows:
            if next_row == SHEET_ROWS:
                sheet, next_row = _sheet(book, header, bold), 1
            for place, cell in enumerate(row):
                _write(sheet, next_row, place, cell, moment, day)
            next_row += 1
    file.seek(0)
    return file


def _sheet(book: Workbook, header: Sequence[str], bold: Format) -> Worksheet:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(header) - 1, 18)
    for place, label in enumerate(header):
        sheet.write_string(0, place, label, bold)
    return sheet


def _write(sheet: Worksheet, row: int, place: int, cell: Any, moment: Format, day: Format) -> None:
    if isinstance(cell, datetime):
        sheet.write_datetime(row, place, cell, moment)
    elif isinstance(cell, date):
        sheet.write_datetime(row, place, cell, day)
    elif isinstance(cell, int | Decimal):
        sheet.write_number(row, place, cell)
    elif cell:
        sheet.write_string(row, place, cell[:LONGEST_CELL])


def _in_file_name(title: str) -> str:
    return re.sub(r"\W+", "-", title.casefold()).strip("-")
