"""The pages of articles: what is taken, what is refused, and where that is said."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.extensions import db
from portal.masterdata import articles
from portal.masterdata.articles import Wares
from portal.masterdata.models import Article, TaxClass
from portal.platforms import assignments
from portal.platforms.models import Platform
from tests.desk import Desk
from tests.documents.builders import a_line

PATH = "/masterdata/articles"
FORM = {"number": "A-1", "title": "Lamp", "tax_class": "standard", "active": "y"}


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def keep(desk):
    """Articles that are there; the ids, by number."""

    def keep(*wares):
        with desk.inside():
            articles.write(wares)
            db.session.commit()
            return dict(db.session.execute(select(Article.number, Article.id)).all())

    return keep


def kept(desk):
    with desk.inside():
        return articles.known(db.session.scalars(select(Article.number)).all())


def test_a_new_one_stands_in_the_list(desk):
    page = desk.do(f"{PATH}/new", **FORM | {"number": "  A   1 ", "tax_class": "reduced"})
    assert "The article is kept." in page.words
    assert page.rows == [["A 1", "Lamp", "Reduced", "On"]]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"number": ""}, "number", "This field is required."),
        ({"number": "x" * 101}, "number", "Field cannot be longer than 100 characters."),
        ({"number": "TAKEN"}, "number", "There is already an article with the number “TAKEN”."),
        ({"title": "x" * 501}, "title", "Field cannot be longer than 500 characters."),
        ({"tax_class": "luxury"}, "tax_class", "Not a valid choice."),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_what_was_typed_stays(desk, keep, change, field, said):
    ids = keep(Wares("TAKEN", ""), Wares("MINE", "Mine"))
    for path in (f"{PATH}/new", f"{PATH}/{ids['MINE']}"):
        page = desk.send(path, 422, **FORM | change)
        assert page.error_of(field) == said
        for name in ("number", "title"):
            assert page.fields[name] == (FORM | change)[name]
    assert kept(desk) == {"TAKEN": Wares("TAKEN", ""), "MINE": Wares("MINE", "Mine")}


def test_one_is_changed_and_switched_off(desk, keep):
    path = f"{PATH}/{keep(Wares('A-1', 'Lamp'))['A-1']}"
    fields = desk.open(path).fields
    assert {name: fields[name] for name in FORM} == FORM
    desk.do(path, number="A-2", title="Lamp, red", tax_class="zero")
    assert kept(desk) == {"A-2": Wares("A-2", "Lamp, red", TaxClass.ZERO, active=False)}


def test_one_that_nothing_uses_is_removed(desk, keep):
    id = keep(Wares("SKU-1", "Lamp"))["SKU-1"]
    document = desk.document(lines=[a_line(1)])
    desk.do(f"{PATH}/{id}/delete")
    assert kept(desk) == {}
    assert "SKU-1" in desk.open(f"/documents/{document.id}").words


def test_one_that_a_sku_is_assigned_to_stays(desk, keep):
    id = keep(Wares("A-1", "Lamp"))["A-1"]
    platform = desk.platform()
    with desk.inside():
        assignments.assign(db.session.get_one(Platform, platform.id), "SKU-1", "A-1")
        db.session.commit()
    assert "SKUs are assigned to “A-1”" in desk.do(f"{PATH}/{id}/delete").words
    assert "A-1" in kept(desk)


@pytest.mark.parametrize("field", ["freight_article", "discount_article", "gift_wrap_article", "other_article"])
def test_one_that_a_platform_books_under_its_number_stays_and_keeps_it(desk, keep, field):
    id = keep(Wares("A-1", "Freight"))["A-1"]
    platform = desk.platform("Amazon Europe")
    with desk.inside():
        setattr(db.session.get_one(Platform, platform.id), field, "A-1")
        db.session.commit()
    said = "Amazon Europe books freight or the like under “A-1”"
    assert said in desk.do(f"{PATH}/{id}/delete").words
    assert said in desk.send(f"{PATH}/{id}", 422, **FORM | {"number": "A-2"}).error_of("number")
    desk.do(f"{PATH}/{id}", **FORM | {"title": "Shipping"})
    assert kept(desk) == {"A-1": Wares("A-1", "Shipping")}


class TestList:
    def test_it_is_paged_by_number(self, desk, keep):
        keep(*(Wares(f"A-{number:03}", "") for number in range(60)))
        first = desk.open(f"{PATH}/")
        assert "50 of 60" in first.words
        second = desk.open(first.link("Next"))
        assert [row[0] for row in first.rows + second.rows] == [f"A-{number:03}" for number in range(60)]
        assert desk.open(f"{PATH}/", sort="-number").rows[0][0] == "A-059"

    @pytest.mark.parametrize(
        ("term", "found"),
        [
            ("a-1", ["A-1", "A-10"]),
            ("A-10", ["A-10"]),
            ("größe", ["B-1"]),
            ("GRÖ", ["B-1"]),
            ("100%", ["B-2"]),
            ("lamp", ["A-1", "A-10"]),
            ("red", []),
        ],
    )
    def test_it_is_searched_by_the_beginning_of_number_or_title(self, desk, keep, term, found):
        keep(Wares("A-1", "Lamp"), Wares("A-10", "Lamp, red"), Wares("B-1", "Größe M"), Wares("B-2", "100% wool"))
        page = desk.open(f"{PATH}/", htmx=True, q=term)
        assert [row[0] for row in page.rows] == found
        assert found or "No article matches" in page.words

    def test_a_search_considers_some_and_says_that_there_are_more(self, desk, keep):
        keep(*(Wares(f"A-{number:03}", "Lamp") for number in range(30)))
        with desk.inside():
            ids, cut = articles.find("lamp", most=10)
            assert (len(ids), cut) == (10, True)


def test_a_clerk_looks_and_an_administrator_changes(keep, make_tenant, client_of):
    clerk = client_of(make_tenant(role="clerk"))
    assert clerk.get(f"{PATH}/").status_code == clerk.get(f"{PATH}/export").status_code == 200
    id = keep(Wares("A-1", ""))["A-1"]
    for path in (f"{PATH}/new", f"{PATH}/{id}", f"{PATH}/import", f"{PATH}/import/preview"):
        assert clerk.get(path).status_code == clerk.post(path, data=FORM).status_code == 403
    assert clerk.post(f"{PATH}/{id}/delete").status_code == 403
