"""CSV files: whatever is written is read back; whatever a spreadsheet makes of it is understood or refused in words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import csv_files
from portal.csv_files import Column, Unreadable, decoded, read, written

COLUMNS = (
    Column("number", "number", ("Nummer", "Artikelnummer"), required=True),
    Column("title", "title", ("Bezeichnung",)),
    Column("tax_class", "tax class", ("Steuerklasse",)),
)
HEADER = [column.header for column in COLUMNS]
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text("=+-@'\";,\t\r\n0 a")


def cells_of(text, columns=COLUMNS):
    return [tuple(line.cells.values()) for line in read(text, columns).lines]


@pytest.fixture(autouse=True)
def in_app(app):
    with app.test_request_context():
        yield


@given(st.lists(st.tuples(texts.filter(bool), texts, texts)))
def test_what_is_written_is_read_back_letter_by_letter(rows):
    file = "".join(written(HEADER, rows)).encode()
    assert cells_of(decoded(file)) == rows


@pytest.mark.parametrize("text", ["=1+1", "+49 69", "-", "@SUM(A1)", "'=1", "''-1"])
def test_a_text_that_would_be_calculated_is_marked_as_text(text):
    file = "".join(written(HEADER, [(text, "", "")]))
    assert f"\r\n'{text};" in file
    assert cells_of(file) == [(text, "", "")]


@pytest.mark.parametrize("text", ["'s Gravenhage", "0012", "5-1", "'"])
def test_any_other_text_is_written_as_it_is(text):
    assert f"\r\n{text};" in "".join(written(HEADER, [(text, "", "")]))


def test_numbers_are_written_as_numbers():
    assert "".join(written(["a", "b"], [(Decimal("-5.00"), 3)])).endswith("\r\n-5.00;3\r\n")


def test_a_large_file_is_written_in_pieces():
    assert len(list(written(HEADER, (("0" * 100, "", "") for _ in range(1_000))))) > 5


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiter_and_line_ends_are_recognised(delimiter, end):
    lines = [["TITLE", "Nummer", "Tax_Class"], ['"a;b,c\td"', "007", "reduced"]]
    table = read(end.join(delimiter.join(line) for line in lines), COLUMNS)
    assert [dict(line.cells) for line in table.lines] == [
        {"title": "a;b,c\td", "number": "007", "tax_class": "reduced"},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_are_recognised(encoding):
    assert cells_of(decoded("number;title\n1;Größe €".encode(encoding))) == [("1", "Größe €")]


def test_what_is_no_text_is_refused():
    with pytest.raises(Unreadable, match="neither in UTF-8 nor in Windows-1252"):
        decoded(b"number\n\x81\xff")


def test_columns_that_nobody_asked_for_are_named():
    table = read("price;number;\n1;2;", COLUMNS)
    assert table.unread == ["price"]
    assert table.lines[0].cells == {"number": "2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "“number” is missing"),
        ("\n\n", "“number” is missing"),
        ("1;2\n3;4", "“number” is missing; known are: number, title, tax class."),
        ("number;Nummer\n1;2", "The column “number” is there 2 times."),
        ('number;title\n1;"a\n2;b\n', "from line 2 on: a quotation mark is missing"),
        ('number;title\n1;a\n\n"2"x;b\n', "from line 4 on: a quotation mark is missing"),
        ('"number', "from line 1 on"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text, said):
    with pytest.raises(Unreadable) as refused:
        read(text, COLUMNS)
    assert said in str(refused.value)


def test_a_file_with_too_many_lines_is_refused(monkeypatch):
    monkeypatch.setattr(csv_files, "MOST_LINES", 2)
    assert len(read("number\n1\n2", COLUMNS).lines) == 2
    with pytest.raises(Unreadable, match="more than 2 lines"):
        read("number\n1\n2\n3", COLUMNS)


def test_a_line_with_another_number_of_cells_says_so_and_the_others_are_read():
    first, second, third = read('number;title\n1;"two\nlines"\n2;b;c\n3;d', COLUMNS).lines
    assert (first.number, first.cells) == (2, {"number": "1", "title": "two\nlines"})
    assert (second.number, second.problem) == (4, "The line has 3 cells, the header 2.")
    assert (third.number, third.cells) == (5, {"number": "3", "title": "d"})
