"""A file of articles: what each line would do is shown, and what was shown is done."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from portal import csv_files, imports
from portal.csv_files import Line, Table
from portal.documents.plan import clean
from portal.extensions import db, redis
from portal.imports import Outcome
from portal.masterdata import article_files, articles
from portal.masterdata.articles import Wares
from portal.masterdata.models import Article, TaxClass
from tests.desk import Desk
from tests.reading import read

PATH = "/masterdata/articles"
PRESENT = {
    "1": Wares("1", "One"),
    "002": Wares("002", "Two", TaxClass.REDUCED),
    "3": Wares("3", "Three", active=False),
}
printable = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=30).map(clean)


def plan(text, present=PRESENT):
    return article_files.plan(csv_files.read(text, article_files.COLUMNS), present)


class TestPlan:
    def test_a_line_is_new_or_changes_something_or_is_the_same(self):
        new, changed, same = plan(
            "number;title;tax class;active\n4;Four;zero;no\n1;Uno;reduced;yes\n002;Two;reduced;yes"
        )
        assert (new.outcome, new.record) == ("new", Wares("4", "Four", TaxClass.ZERO, active=False))
        assert (changed.outcome, changed.record) == ("changed", Wares("1", "Uno", TaxClass.REDUCED))
        assert [(change.name, change.before, change.after) for change in changed.changes] == [
            ("title", "One", "Uno"),
            ("tax_class", "standard", "reduced"),
        ]
        assert (same.outcome, same.changes) == ("same", ())

    def test_what_a_file_does_not_say_stays(self):
        lines = plan("tax class,number\n,002\n,3\n,4\nzero,1")
        assert [line.record for line in lines] == [
            PRESENT["002"],
            PRESENT["3"],
            Wares("4", ""),
            Wares("1", "One", TaxClass.ZERO),
        ]

    def test_an_empty_title_is_a_title(self):
        assert plan("number,title\n1,")[0].record == Wares("1", "")

    @pytest.mark.parametrize("word", ["Ermäßigt", " reduced ", "REDUCED"])
    def test_tax_classes_are_known_in_both_languages(self, word):
        assert plan(f"Nummer;Steuerklasse\n9;{word}")[0].record.tax_class == TaxClass.REDUCED

    @pytest.mark.parametrize(
        ("word", "active"), [("ja", True), ("Yes", True), ("1", True), ("NEIN", False), ("0", False)]
    )
    def test_active_is_known_in_both_languages(self, word, active):
        assert plan(f"Artikelnummer;aktiv\n9;{word}")[0].record.active is active

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            (";Lamp;;", "The number is missing."),
            ("  ;Lamp;;", "The number is missing."),
            ("9;Lamp;luxury;", "There is no tax class “luxury”. Known are: standard, reduced, second reduced, zero."),
            ("9;Lamp;;maybe", "“maybe” says neither active nor not. Write yes or no."),
            (f"{'9' * 101};;;", "The number is longer than 100 characters."),
            (f"9;{'x' * 501};;", "The title is longer than 500 characters."),
            ('9;"a\nb";;', "The title holds a line break or another control character."),
            ("9\x00;a;;", "The number holds a line break or another control character."),
            ("9;Lamp;", "The line has 3 cells, the header 4."),
        ],
    )
    def test_each_problem_is_said_at_its_line_and_the_others_count(self, line, said):
        header = "number;title;tax class;active"
        before, wrong, after = plan(f"{header}\n1;One;;\n{line}\n4;Four;;")
        assert (wrong.outcome, wrong.problem, wrong.record) == (Outcome.PROBLEM, said, None)
        assert (before.outcome, after.outcome) == ("same", "new")

    def test_a_number_that_is_there_twice_is_a_problem_of_both_lines(self):
        lines = plan("number\n7\n8\n 7 ")
        assert [line.outcome for line in lines] == ["problem", "new", "problem"]
        assert lines[0].problem == lines[2].problem == "“7” stands in the file more than once: lines 2, 4."

    @given(st.lists(st.tuples(printable, printable, st.sampled_from(TaxClass), st.booleans())))
    def test_no_line_vanishes(self, rows):
        cells = [dict(zip(("number", "title", "tax_class"), row[:3], strict=True)) for row in rows]
        table = Table([Line(number, cell) for number, cell in enumerate(cells, start=2)], [])
        assert [line.line for line in article_files.plan(table, PRESENT)] == [line.number for line in table.lines]


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def kept(desk):
    with desk.inside():
        return articles.known(db.session.scalars(select(Article.number)).all())


def write(desk, *wares):
    with desk.inside():
        articles.write(wares)
        db.session.commit()


def sent(desk, text):
    """The preview of pasted lines."""
    return desk.do(f"{PATH}/import", text=text)


class TestImport:
    def test_lines_are_shown_first_and_imported_then(self, desk):
        write(desk, *PRESENT.values())
        page = sent(desk, "Nummer;Bezeichnung;Steuerklasse\n4;Four;zero\n1;Uno;\n002;Two;\n5;;luxury")
        assert page.rows == [
            ["2", "4", "New", "Title: Four · Tax class: Zero · Active: yes"],
            ["3", "1", "Changed", "Title: One → Uno"],
            ["4", "002", "The same", ""],
            [
                "5",
                "5",
                "Problem",
                "There is no tax class “luxury”. Known are: standard, reduced, second reduced, zero.",
            ],
        ]
        for words in ("All: 4", "New: 1", "Changed: 1", "The same: 1", "Problem: 1", "Import 2 lines"):
            assert words in page.words
        assert kept(desk) == PRESENT
        page = desk.do(f"{PATH}/import/preview", seen=page.fields["seen"])
        assert "Imported: 1 new, 1 changed. 1 were the same; 1 with a problem were left out." in page.words
        assert kept(desk) == PRESENT | {"4": Wares("4", "Four", TaxClass.ZERO), "1": Wares("1", "Uno")}

    def test_a_file_is_imported_as_pasted_lines_are(self, desk):
        file = (io.BytesIO("number;title\n0042;Größe".encode("cp1252")), "articles.csv")
        page = desk.do(f"{PATH}/import", file=file)
        desk.do(f"{PATH}/import/preview", seen=page.fields["seen"])
        assert kept(desk) == {"0042": Wares("0042", "Größe")}

    @pytest.mark.parametrize(
        ("form", "field", "said"),
        [
            ({}, "file", "Choose a file or paste its lines."),
            ({"text": " \n"}, "file", "Choose a file or paste its lines."),
            ({"text": "1;2"}, "text", "“number” is missing"),
            ({"text": 'number\n"1'}, "text", "from line 2 on: a quotation mark is missing"),
            ({"text": "number\n1", "file": b"number\n1"}, "text", "Send one of the two."),
            ({"file": b"\x81\x8d"}, "file", "neither in UTF-8 nor in Windows-1252"),
            ({"file": b"number\n" + b"9" * csv_files.MOST_BYTES}, "file", "larger than 5 MB"),
            ({"text": "number\n" + "9" * csv_files.MOST_BYTES}, "text", "larger than 5 MB"),
        ],
    )
    def test_what_is_no_file_is_refused_at_its_field_and_what_was_pasted_stays(self, desk, form, field, said):
        form = {name: (io.BytesIO(value), "a.csv") if name == "file" else value for name, value in form.items()}
        answer = desk.browser.post(f"{PATH}/import", data=form, content_type="multipart/form-data")
        page = read(answer.text)
        assert answer.status_code == 422
        assert said in page.error_of(field)
        assert page.fields["text"].strip() == form.get("text", "").strip()

    def test_nothing_is_imported_while_a_line_has_a_problem_if_so_wished(self, desk):
        page = sent(desk, "number;active\n1;yes\n2;maybe")
        page = desk.send(f"{PATH}/import/preview", 422, seen=page.fields["seen"], whole="y")
        assert page.error_of("whole") == "Nothing was imported: some lines have a problem."
        assert kept(desk) == {}
        page = sent(desk, "number;active\n1;yes\n2;no")
        desk.do(f"{PATH}/import/preview", seen=page.fields["seen"], whole="y")
        assert len(kept(desk)) == 2

    def test_what_has_changed_since_it_was_shown_is_shown_again(self, desk):
        page = sent(desk, "number;title\n1;Uno")
        write(desk, Wares("1", "One"))
        page = desk.send(f"{PATH}/import/preview", 422, seen=page.fields["seen"])
        assert "has changed meanwhile" in page.words
        assert page.rows == [["2", "1", "Changed", "Title: One → Uno"]]
        assert kept(desk) == {"1": Wares("1", "One")}
        desk.do(f"{PATH}/import/preview", seen=page.fields["seen"])
        assert kept(desk) == {"1": Wares("1", "Uno")}

    def test_columns_that_nobody_reads_are_named(self, desk):
        assert "Columns that are not read: price, colour." in sent(desk, "number;price;colour\n1;2;3").words

    def test_another_file_that_was_sent_meanwhile_is_shown(self, desk):
        seen = sent(desk, "number\n1").fields["seen"]
        sent(desk, "number\n2")
        page = desk.send(f"{PATH}/import/preview", 422, seen=seen)
        assert [row[1] for row in page.rows] == ["2"]
        assert kept(desk) == {}

    def test_a_file_that_has_expired_or_is_imported_is_asked_for_again(self, desk, app):
        page = sent(desk, "number\n1")
        with app.app_context():
            (place,) = redis().keys(f"kontor:import:{desk.merchant.tenant_id}:*")
            assert 0 < redis().ttl(place) <= imports.KEPT_SECONDS
            redis().delete(place)
        page = desk.send(f"{PATH}/import/preview", 422, seen=page.fields["seen"])
        assert "No file waits to be imported." in page.words
        assert "No file waits to be imported." in desk.open(f"{PATH}/import/preview").words
        seen = sent(desk, "number\n1").fields["seen"]
        desk.do(f"{PATH}/import/preview", seen=seen)
        desk.send(f"{PATH}/import/preview", 422, seen=seen)

    def test_a_long_preview_is_paged_and_filtered(self, desk):
        page = sent(desk, "number\n" + "\n".join(str(number) for number in range(1, 121)) + "\n;x")
        assert "50 of 121" in page.words
        assert [row[1] for row in page.rows] == [str(number) for number in range(1, 51)]
        page = desk.open(page.link("Next"), htmx=True)
        assert [row[1] for row in page.rows] == [str(number) for number in range(51, 101)]
        page = desk.open(page.link("Previous"), htmx=True)
        assert page.rows[0][1] == "1"
        page = desk.open(f"{PATH}/import/preview", show="problem")
        assert [row[2:] for row in page.rows] == [["Problem", "The line has 2 cells, the header 1."]]
        assert "No such line" in desk.open(f"{PATH}/import/preview", show="changed").words

    def test_only_this_form_may_be_as_large_as_a_file(self, desk, app, monkeypatch):
        large = {"text": "number\n" + "\n" * 1_000_000, "number": "1"}
        assert desk.browser.post(f"{PATH}/new", data=large, content_type="multipart/form-data").status_code == 413
        answer = desk.browser.post(f"{PATH}/import", data=large, content_type="multipart/form-data")
        assert answer.status_code == 302
        monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)  # whose token is looked for first
        assert desk.browser.post(f"{PATH}/import", data=large, content_type="multipart/form-data").status_code == 400

    def test_a_file_is_kept_for_its_user_only(self, desk, app, make_tenant, client_of):
        sent(desk, "number\n1")
        other = Desk.of(app, make_tenant(), client_of)
        assert "No file waits to be imported." in other.open(f"{PATH}/import/preview").words


class TestExport:
    def test_it_is_read_piece_by_piece(self, desk, monkeypatch):
        monkeypatch.setattr(article_files, "ROWS_AT_ONCE", 2)
        write(desk, *(Wares(str(number), "") for number in range(1, 6)))
        lines = desk.browser.get(f"{PATH}/export").text.splitlines()
        assert [line.partition(";")[0] for line in lines[1:]] == ["1", "2", "3", "4", "5"]

    def test_it_streams_all_in_the_order_of_the_numbers(self, desk):
        write(desk, *PRESENT.values(), Wares("=1+1", 'Größe; "M"'))
        answer = desk.browser.get(f"{PATH}/export")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == "attachment; filename=articles.csv"
        assert answer.data.decode() == (
            "\ufeffnumber;title;tax class;active\r\n002;Two;reduced;yes\r\n1;One;standard;yes\r\n"
            '3;Three;standard;no\r\n\'=1+1;"Größe; ""M""";standard;yes\r\n'
        )

    @given(
        st.lists(
            st.builds(Wares, printable.filter(bool), printable, st.sampled_from(TaxClass), st.booleans()),
            unique_by=lambda wares: wares.number,
        )
    )
    def test_what_was_exported_would_change_nothing(self, wares):
        rows = [(w.number, w.title, w.tax_class.value, "yes" if w.active else "no") for w in wares]
        text = "".join(csv_files.written([column.header for column in article_files.COLUMNS], rows))
        lines = plan(text, {w.number: w for w in wares})
        assert [line.outcome for line in lines] == [Outcome.SAME] * len(wares)

    def test_importing_an_export_changes_nothing(self, desk):
        write(desk, *PRESENT.values(), Wares("-5", "'@home"))
        export = desk.browser.get(f"{PATH}/export").data
        page = desk.do(f"{PATH}/import", file=(io.BytesIO(export), "articles.csv"))
        assert "The same: 4" in page.words and "All: 4" in page.words
        assert "There is nothing to import" in page.words
        assert not page.one("main").all("button")


def test_a_file_of_thousands_costs_a_few_statements(desk):
    page = sent(desk, "number;title\n" + "\n".join(f"{number};Lamp" for number in range(3_000)))
    statements = []
    with desk.app.app_context():
        engine = db.engine

    def count(connection, cursor, statement, *rest):
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        desk.browser.post(f"{PATH}/import/preview", data={"seen": page.fields["seen"]})
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(statements) < 10
    assert len(kept(desk)) == 3_000
