"""Which SKU is which article: assigned by hand and by file, and told where it is missing."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from portal import csv_files
from portal.extensions import db
from portal.masterdata import articles
from portal.masterdata.articles import Wares
from portal.platforms import assignment_files
from portal.platforms.models import ArticleAssignment
from tests.desk import Desk
from tests.documents.builders import a_line

PRESENT = {"SKU-1": "A-1", "OLD": "OFF"}
ACTIVE = {"A-1": True, "A-2": True, "OFF": False}


def plan(text, present=PRESENT, active=ACTIVE):
    return assignment_files.plan(csv_files.read(text, assignment_files.COLUMNS), present, active)


class TestPlan:
    def test_a_line_is_new_or_changes_something_or_is_the_same(self):
        new, changed, same = plan("Artikel,SKU\nA-1,NEW\nA-2,SKU-1\nOFF,OLD")
        assert (new.outcome, new.record.sku, new.record.number) == ("new", "NEW", "A-1")
        assert (changed.outcome, [(c.before, c.after) for c in changed.changes]) == ("changed", [("A-1", "A-2")])
        assert (same.outcome, same.changes) == ("same", ())

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            (";A-1", "The SKU is missing."),
            ("NEW;", "The article number is missing."),
            ("NEW;A-9", "There is no article with the number “A-9”."),
            ("NEW;OFF", "The article “OFF” is switched off."),
            (f"{'x' * 101};A-1", "The SKU is longer than 100 characters."),
            (f"NEW;{'x' * 101}", "The article number is longer than 100 characters."),
            ("N\x00EW;A-1", "The SKU holds a line break or another control character."),
            ("NEW;A-1;", "The line has 3 cells, the header 2."),
        ],
    )
    def test_each_problem_is_said_at_its_line_and_the_others_count(self, line, said):
        before, wrong, after = plan(f"sku;Artikelnummer\nSKU-1;A-1\n{line}\nSKU-2;A-2")
        assert (wrong.outcome, wrong.problem, wrong.record) == ("problem", said, None)
        assert (before.outcome, after.outcome) == ("same", "new")

    def test_a_sku_that_is_there_twice_is_a_problem_of_both_lines(self):
        lines = plan("sku;article\nNEW;A-1\nNEW;A-2")
        assert [line.problem for line in lines] == ["“NEW” stands in the file more than once: lines 2, 3."] * 2

    @given(st.dictionaries(st.text("=+-@'\";,0aé", min_size=1), st.text("=+-@'\";,0aé", min_size=1)))
    def test_what_was_exported_would_change_nothing(self, present):
        text = "".join(csv_files.written(["sku", "article"], present.items()))
        assert {line.outcome for line in plan(text, present, {})} <= {"same"}


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def platform(desk):
    """A platform of a tenant with a few articles, one of them switched off."""
    with desk.inside():
        articles.write([Wares("A-1", "Lamp"), Wares("A-2", "Table"), Wares("OFF", "Chair", active=False)])
        db.session.commit()
    return desk.platform()


@pytest.fixture
def path(platform):
    return f"/platforms/{platform.id}/articles"


def kept(desk):
    with desk.inside():
        return {one.sku: one.article.number for one in db.session.scalars(select(ArticleAssignment))}


class TestByHand:
    def test_a_sku_is_assigned_and_stands_in_the_list(self, desk, path):
        page = desk.do(path, sku="  SKU  1 ", number="A-1")
        assert [row[:3] for row in page.rows] == [["SKU 1", "A-1", "Lamp"]]
        assert "“SKU 1” is assigned." in page.words

    @pytest.mark.parametrize(
        ("typed", "field", "said"),
        [
            ({"sku": ""}, "sku", "This field is required."),
            ({"sku": "x" * 101}, "sku", "Field cannot be longer than 100 characters."),
            ({"sku": "TAKEN"}, "sku", "“TAKEN” is assigned already. Remove that first."),
            ({"number": ""}, "number", "This field is required."),
            ({"number": "A-9"}, "number", "There is no active article with the number “A-9”."),
            ({"number": "OFF"}, "number", "There is no active article with the number “OFF”."),
        ],
    )
    def test_what_cannot_be_is_said_at_its_field_and_what_was_typed_stays(self, desk, path, typed, field, said):
        desk.do(path, sku="TAKEN", number="A-2")
        typed = {"sku": "NEW", "number": "A-1"} | typed
        page = desk.send(path, 422, **typed).one("form", method="post", action=path)
        assert page.error_of(field) == said
        assert {name: page.fields[name] for name in typed} == typed
        assert kept(desk) == {"TAKEN": "A-2"}

    def test_one_is_removed(self, desk, path):
        desk.do(path, sku="A/B ?", number="A-1")
        desk.do(path, sku="SKU-2", number="A-1")
        assert "The assignment is removed." in desk.do(f"{path}/remove", sku="A/B ?").words
        assert kept(desk) == {"SKU-2": "A-1"}
        assert "removed" not in desk.do(f"{path}/remove", sku="A/B ?").words

    def test_numbers_are_offered_while_one_is_typed(self, desk, path):
        options = desk.open(f"{path}/numbers", htmx=True, number="a-").all("option")
        assert [(option.attributes["value"], option.words) for option in options] == [("A-1", "Lamp"), ("A-2", "Table")]
        options = desk.open(f"{path}/numbers", htmx=True, number="lam").all("option")
        assert [option.attributes["value"] for option in options] == ["A-1"]
        assert not desk.open(f"{path}/numbers", htmx=True, number="OFF").all("option")

    def test_another_platform_assigns_for_itself(self, desk, path):
        desk.do(path, sku="SKU-1", number="A-1")
        other = desk.platform("Amazon 2", "amazon-2")
        assert desk.do(f"/platforms/{other.id}/articles", sku="SKU-1", number="A-2").rows[0][1] == "A-2"
        assert desk.open(path).rows[0][1] == "A-1"

    def test_the_list_is_paged_and_searched(self, desk, platform, path):
        desk.browser.post(
            f"{path}/import", data={"text": "sku;article\n" + "".join(f"S-{n:03};A-1\n" for n in range(60))}
        )
        desk.do(f"{path}/import/preview", seen=desk.open(f"{path}/import/preview").fields["seen"])
        page = desk.open(path)
        assert "50 of 60" in page.words
        assert [row[0] for row in desk.open(page.link("Next"), htmx=True).rows] == [f"S-{n:03}" for n in range(50, 60)]
        assert [row[0] for row in desk.open(path, q="S-01").rows] == [f"S-{n:03}" for n in range(10, 20)]
        assert "No SKU matches" in desk.open(path, htmx=True, q="01").words


class TestFiles:
    def test_a_file_is_shown_and_then_imported(self, desk, path):
        desk.do(path, sku="SKU-1", number="A-1")
        page = desk.do(f"{path}/import", text="sku;article\nSKU-1;A-2\nSKU-2;A-1\nSKU-3;A-9\n0007;A-1")
        assert page.rows == [
            ["2", "SKU-1", "Changed", "Article number: A-1 → A-2"],
            ["3", "SKU-2", "New", "Article number: A-1"],
            ["4", "SKU-3", "Problem", "There is no article with the number “A-9”."],
            ["5", "0007", "New", "Article number: A-1"],
        ]
        assert kept(desk) == {"SKU-1": "A-1"}
        desk.send(f"{path}/import/preview", 422, seen=page.fields["seen"], whole="y")
        page = desk.do(f"{path}/import/preview", seen=page.fields["seen"])
        assert "Imported: 2 new, 1 changed. 0 were the same; 1 with a problem were left out." in page.words
        assert kept(desk) == {"SKU-1": "A-2", "SKU-2": "A-1", "0007": "A-1"}

    def test_a_file_for_one_platform_is_not_imported_into_another(self, desk, path):
        seen = desk.do(f"{path}/import", text="sku;article\nSKU-1;A-1").fields["seen"]
        other = desk.platform("Amazon 2", "amazon-2")
        page = desk.send(f"/platforms/{other.id}/articles/import/preview", 422, seen=seen)
        assert "No file waits to be imported." in page.words

    def test_an_article_that_went_meanwhile_is_a_problem_that_is_shown(self, desk, path):
        page = desk.do(f"{path}/import", text="sku;article\nSKU-1;A-1")
        with desk.inside():
            articles.write([Wares("A-1", "Lamp", active=False)])
            db.session.commit()
        page = desk.send(f"{path}/import/preview", 422, seen=page.fields["seen"])
        assert "has changed meanwhile" in page.words
        assert page.rows[0][2:] == ["Problem", "The article “A-1” is switched off."]

    def test_a_file_without_its_columns_is_refused_at_its_field(self, desk, path):
        page = desk.send(f"{path}/import", 422, text="sku;title\nSKU-1;Lamp")
        assert "“article” is missing" in page.error_of("text")
        assert "SKU-1;Lamp" in page.fields["text"]

    def test_importing_an_export_changes_nothing(self, desk, path):
        for sku in ("=SKU", "0012", 'a";b'):
            desk.do(path, sku=sku, number="A-1")
        export = desk.browser.get(f"{path}/export").data
        assert export.decode() == '\ufeffsku;article\r\n0012;A-1\r\n\'=SKU;A-1\r\n"a"";b";A-1\r\n'
        page = desk.do(f"{path}/import", file=(io.BytesIO(export), "a.csv"))
        assert "The same: 3" in page.words and "All: 3" in page.words


class TestMissing:
    def test_skus_that_lead_to_no_article_are_listed_those_of_most_documents_first(self, desk, platform, path):
        desk.document("028-1", lines=[a_line(1, sku="RARE"), a_line(2, sku="OFTEN"), a_line(3, sku="A-1")])
        desk.document("028-2", buyer_reference="b", lines=[a_line(1, sku="OFTEN"), a_line(2, sku="DONE")])
        desk.do(path, sku="DONE", number="A-2")
        assert [row[:3] for row in desk.open(f"{path}/missing").rows] == [
            ["OFTEN", "Article 2", "2"],
            ["RARE", "Article 1", "1"],
        ]

    def test_one_is_assigned_where_it_stands(self, desk, platform, path):
        desk.document("028-1", lines=[a_line(1, sku="RARE")])
        page = desk.do(f"{path}/missing", sku="RARE", number="A-1")
        assert "Nothing is missing" in page.words
        assert kept(desk) == {"RARE": "A-1"}

    def test_what_is_refused_is_said_at_its_row_and_what_was_typed_stays(self, desk, platform, path):
        desk.document("028-1", lines=[a_line(1, sku="RARE"), a_line(2, sku="OTHER")])
        page = desk.send(f"{path}/missing", 422, sku="RARE", number="A-9")
        first, second = page.all("input", name="number")
        assert "value" not in first.attributes and "aria-invalid" not in first.attributes
        assert second.attributes["value"] == "A-9"
        said = page.one("div", id=second.attributes["aria-describedby"]).words
        assert said == "There is no active article with the number “A-9”."

    def test_other_platforms_documents_do_not_count(self, desk, platform, path):
        desk.document("028-1", lines=[a_line(1, sku="RARE")])
        other = desk.platform("Amazon 2", "amazon-2")
        assert "Nothing is missing" in desk.open(f"/platforms/{other.id}/articles/missing").words


def test_a_clerk_looks_and_an_administrator_changes(app, make_tenant, client_of):
    desk = Desk.of(app, make_tenant(role="clerk"), client_of)
    path = f"/platforms/{desk.platform().id}/articles"
    for there in ("", "/missing", "/export", "/numbers"):
        assert desk.browser.get(path + there).status_code == 200
    for there in ("/import", "/import/preview"):
        assert desk.browser.get(path + there).status_code == 403
    for there in ("", "/missing", "/remove", "/import", "/import/preview"):
        assert desk.browser.post(path + there, data={"sku": "S", "number": "A"}).status_code == 403
    forms = desk.open(path).all("form", method="post")
    assert not [form for form in forms if form.attributes["action"].startswith(path)]
