"""A list as a file: all the rows that match, in its order, in the columns that are shown."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
import zipfile
from decimal import Decimal
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from portal.listings import export
from portal.listings.columns import Column
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.listings.test_columns import choose

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def as_csv(desk, path="/documents/", delimiter=",", **query):
    mark = "&" if "?" in path else "?"
    answer = desk.browser.get(f"{path}{mark}{urlencode({**query, 'export': 'csv'})}")
    assert answer.status_code == 200 and answer.mimetype == "text/csv"
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"), newline=""), delimiter=delimiter))


def as_xlsx(desk, path="/documents/", **query):
    """The cells of each row, a number as a Decimal, and how each is to be shown."""
    answer = desk.browser.get(path, query_string={**query, "export": "xlsx"})
    assert answer.status_code == 200 and answer.mimetype == export.EXCEL
    return sheets(answer.data)[0]


def sheets(content):
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        names = sorted(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
        return [[list(map(cell, row)) for row in rows(book.read(name))] for name in names]


def rows(sheet):
    return ElementTree.fromstring(sheet).iter(f"{SHEET}row")


def cell(element):
    text = "".join(element.itertext())
    return text if element.get("t") == "inlineStr" else Decimal(text)


def test_all_rows_that_match_are_in_the_file_not_only_the_page(desk, monkeypatch):
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 7)
    desk.take(*(an_order(f"028-{n}") for n in range(60)))
    lines = as_csv(desk)
    assert len(lines) == 61 and len({line[1] for line in lines[1:]}) == 60


@pytest.mark.parametrize("orders", [6, 7, 8, 14])
def test_no_row_is_missed_or_repeated_where_pages_meet(desk, monkeypatch, orders):
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 7)
    desk.take(*(an_order(f"028-{n}") for n in range(orders)))
    assert sorted(line[1] for line in as_csv(desk)[1:]) == sorted(f"028-{n}" for n in range(orders))


def test_filters_sort_and_columns_are_those_of_the_list(desk):
    desk.take(*(an_order(f"028-{n}") for n in range(3)))
    choose(desk, "order")
    numbers = [row[0] for row in desk.open("/documents/", sort="number").rows]
    assert [line[0] for line in as_csv(desk, sort="number")] == ["Document", *numbers]
    assert as_csv(desk, q="028-1")[1:] == [[line[0], "028-1"] for line in as_csv(desk) if line[1] == "028-1"]
    assert as_csv(desk, state="cancelled") == [["Document", "Order"]]


def test_where_a_page_begins_does_not_matter(desk):
    desk.take(*(an_order(f"028-{n}") for n in range(53)))
    second = desk.open("/documents/").one("a", rel="next").attributes["href"]
    assert len(as_csv(desk, second)) == 54


def test_amounts_are_numbers_with_their_currency_beside(desk):
    desk.take(an_order("028-1"))
    choose(desk, "total")
    assert as_csv(desk)[0] == ["Document", "Total", "Currency"]
    assert as_csv(desk)[1][1:] == ["19.99", "EUR"]
    assert as_xlsx(desk)[1][1:] == [Decimal("19.99"), "EUR"]


def test_germans_get_the_comma_their_spreadsheets_read(desk):
    desk.take(an_order("028-1"))
    desk.browser.post("/settings/language", data={"language": "de"})
    choose(desk, "total", "state")
    lines = as_csv(desk, delimiter=";")
    assert lines[0] == ["Vorgang", "Summe", "Währung", "Status"]
    assert lines[1][1:] == ["19,99", "EUR", "Offen"]


def test_moments_are_those_of_the_tenants_zone_and_real_ones(desk):
    desk.take(an_order("028-1"))
    choose(desk, "ordered")
    (_number, text), (_same, days) = as_csv(desk)[1], as_xlsx(desk)[1]
    shown = desk.open("/documents/").one("time").attributes["datetime"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text)
    assert text != shown.replace("T", " ")[:19]  # Berlin's clock is not that of UTC
    assert 40_000 < days < 80_000  # days since 1900, as spreadsheets count


def test_a_name_that_would_be_calculated_stays_a_text(desk):
    desk.take(an_order("=1+1", total=None))
    assert as_csv(desk, "/held/")[1][0] == "'=1+1"
    assert as_xlsx(desk, "/held/")[1][0] == "=1+1"
    content = desk.browser.get("/held/?export=xlsx").data
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def test_the_file_is_named_by_list_and_day(desk):
    answer = desk.browser.get("/held/?export=xlsx")
    assert re.search(r"filename=held-orders-\d{4}-\d\d-\d\d\.xlsx", answer.headers["Content-Disposition"])


def test_a_kind_that_there_is_not_is_the_page(desk):
    assert desk.browser.get("/held/?export=exe").mimetype == "text/html"


def test_what_a_sheet_cannot_hold_goes_on_the_next(app, make_tenant, as_tenant, monkeypatch):
    monkeypatch.setattr(export, "SHEET_ROWS", 3)
    with as_tenant(make_tenant()), app.test_request_context():
        file = export._workbook(["Number"], [[number] for number in range(5)])
        first, second, third = sheets(file.read())
    assert [first[1:], second[1:], third[1:]] == [[[0], [1]], [[2], [3]], [[4]]]
    assert {tuple(sheet[0]) for sheet in (first, second, third)} == {("Number",)}


def test_ten_times_the_rows_take_no_more_memory(app):
    columns = [Column(f"c{n}", f"C{n}", lambda row: row) for n in range(3)]

    def needed(kind, rows):
        tracemalloc.start()
        pages = iter([lambda: ["a text of some length"] * 500] * (rows // 500))
        with app.test_request_context(), app.extensions["sqlalchemy"].engine.connect():
            from portal.scope import tenant

            with tenant(1):
                answer = export.answer(kind, "List", columns, pages)
                for _piece in answer.response:
                    pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    for kind in export.KINDS:
        needed(kind, 500)  # what is loaded once
        assert needed(kind, 5_000) < 2 * needed(kind, 500)
