"""Lists for a spreadsheet: CSV that it reads right in the reader's language, and in which no formula runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

# A cell that begins so would be calculated: orders come from strangers.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Spreadsheets take the separator from the language, since the comma is in German numbers.
SEPARATORS = {"de": ";"}
ROWS_AT_ONCE = 500


def as_csv(head: Sequence[str], rows: Iterable[Sequence[str]], language: str) -> Iterator[bytes]:
    """The lines of a file in UTF-8, with the mark by which spreadsheets know it, some hundred at a time."""
    yield "\ufeff".encode()
    lines = chain([head], rows)
    while some := list(islice(lines, ROWS_AT_ONCE)):
        written = io.StringIO()
        sheet = csv.writer(written, delimiter=SEPARATORS.get(language, ","))
        sheet.writerows([harmless(cell) for cell in line] for line in some)
        yield written.getvalue().encode()


def harmless(cell: str) -> str:
    """The cell as text, whatever it begins with."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
