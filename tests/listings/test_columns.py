"""The columns of a list: each user chooses his own, and what the list calls needed stays."""

from __future__ import annotations

import pytest

from tests.desk import Desk
from tests.documents.builders import an_order


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def heads(desk, path="/documents/"):
    return [head.words for head in desk.open(path).all("th", scope="col")]


def choose(desk, *names, endpoint="documents.index", back="/documents/", **more):
    form = {"list": endpoint, "back": back, "column": list(names), **more}
    return desk.browser.post("/lists/columns", data=form)


@pytest.fixture
def with_document(desk):
    desk.take(an_order("028-1"))
    return desk


def test_a_list_shows_by_itself_what_is_not_hidden_at_first(with_document):
    assert heads(with_document) == ["Document", "Order", "Ordered", "Customer", "Total", "Ship by", "State"]


def test_the_platform_reference_is_hidden_at_first(desk):
    desk.platform(reference="the-reference")
    assert "Platform reference" not in heads(desk, "/platforms/")
    assert "the-reference" not in "".join(map(" ".join, desk.open("/platforms/").rows))
    choose(desk, "reference", endpoint="platforms.index", back="/platforms/")
    assert heads(desk, "/platforms/") == ["Number", "Name", "Platform reference"]
    assert "the-reference" in " ".join(desk.open("/platforms/").rows[0])


def test_cells_follow_the_columns_that_were_chosen(with_document):
    choose(with_document, "channel", "order")
    page = with_document.open("/documents/")
    assert heads(with_document) == ["Document", "Order", "Sales channel"]
    assert [len(row) for row in page.rows] == [3] and page.rows[0][1] == "028-1"


def test_what_heads_a_row_is_shown_though_nothing_is_chosen(with_document):
    choose(with_document)
    assert heads(with_document) == ["Document"]


def test_a_column_that_there_is_not_is_passed_over(with_document):
    choose(with_document, "order", "nonsense", "x" * 10_000, "\x00", "'; --")
    assert heads(with_document) == ["Document", "Order"]


def test_the_choice_is_taken_back(with_document):
    before = heads(with_document)
    choose(with_document, "order")
    choose(with_document, reset="1")
    assert heads(with_document) == before


def test_another_list_and_another_user_keep_theirs(app, with_document, client_of, make_tenant):
    held = heads(with_document, "/shipments/")
    choose(with_document, "order")
    assert heads(with_document, "/shipments/") == held
    other = Desk.of(app, make_tenant(), client_of)
    other.take(an_order("028-2"))
    assert len(heads(other)) > 2


def test_the_choice_leads_back_to_the_list_as_it_was(with_document):
    answer = choose(with_document, "order", back="/documents/?state=open&sort=-number")
    assert answer.status_code == 302 and answer.location == "/documents/?state=open&sort=-number"


def test_the_choice_leads_nowhere_else(with_document):
    assert choose(with_document, "order", back="https://elsewhere.example/").location == "/"


def test_a_list_that_there_is_not_is_not_found(desk):
    assert choose(desk, "order", endpoint="no.such").status_code == 404


def test_what_is_offered_says_what_is_shown(with_document):
    choose(with_document, "order")
    boxes = with_document.open("/documents/").all("input", name="column")
    ticked = {box.attributes["value"] for box in boxes if "checked" in box.attributes}
    assert ticked == {"number", "order"}
    assert [box.attributes["value"] for box in boxes if "disabled" in box.attributes] == ["number"]
