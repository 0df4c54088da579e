"""Saved views: a list's filters, order and columns under a name, for oneself or for all of the company."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from portal.extensions import db
from portal.listings.models import ListView
from portal.tenants.models import Role, User
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.listings.test_columns import choose, heads

ADDRESS = "/documents/?state=open&sort=-number&columns=number.order"


@pytest.fixture
def desk(app, make_tenant, client_of):
    desk = Desk.of(app, make_tenant(), client_of)
    desk.take(an_order("028-1"))
    return desk


@pytest.fixture
def colleague(desk, client_of):
    """The desk of a clerk of the same company."""
    with desk.inside():
        clerk = User(tenant_id=desk.merchant.tenant_id, email=f"clerk-{desk.merchant.email}", name="Karl Clerk")
        clerk.role = Role.CLERK
        db.session.add(clerk)
        db.session.commit()
        merchant = replace(desk.merchant, user_id=clerk.id)
    return Desk(desk.app, merchant, client_of(merchant))


def save(desk, name="To do", address=ADDRESS, **more):
    return desk.do("/lists/views", name=name, address=address, **more)


def shown(desk, address="/documents/"):
    """The names of the views above a list, and the one that is open."""
    links = desk.open(address).all("a", class_="chip-view")
    return [link.words for link in links], [link.words for link in links if "aria-current" in link.attributes]


def change_of(desk, address=ADDRESS):
    return desk.open(address).link("Change the view")


def test_the_address_says_filters_order_and_columns(desk):
    page = desk.open(ADDRESS)
    assert [head.words for head in page.all("th", scope="col")] == ["Document", "Order"]
    # what narrows or sorts it further keeps the columns
    assert {"columns": "number.order"}.items() <= page.one("form", id="filters").fields.items() | page.fields.items()
    assert "columns=number.order" in page.one("a", class_="sort").attributes["href"]
    assert heads(desk) != ["Document", "Order"], "nobody's own choice has changed"


def test_a_list_is_kept_as_it_is_shown_and_opened_by_its_address(desk):
    choose(desk, "order", "total")
    address = desk.open("/documents/?state=open&sort=-number").link("Save the view")
    kept = parse_qs(urlsplit(address).query)["address"][0]
    assert kept == "/documents/?state=open&sort=-number&columns=number.order.total"
    form = desk.open(address)
    assert form.fields["address"] == kept
    page = save(desk, address=kept)
    assert [head.words for head in page.all("th", scope="col")] == ["Document", "Order", "Total"]
    assert shown(desk, kept) == (["To do"], ["To do"])
    assert shown(desk) == (["To do"], [])
    assert shown(desk, "/held/") == ([], []), "it is a view of this list only"
    link = desk.open("/documents/").one("a", class_="chip-view")
    assert link.attributes["href"] == kept


def test_choosing_columns_leaves_the_view_and_is_ones_own(desk):
    save(desk)
    assert desk.open(ADDRESS).fields["back"] == "/documents/?state=open&sort=-number"


def test_a_list_of_which_nothing_was_chosen_offers_nothing_to_save(desk):
    assert "Save the view" not in desk.open("/documents/").words


def test_a_view_is_seen_by_others_once_it_is_shared_and_only_read(desk, colleague):
    save(desk)
    assert shown(colleague) == ([], [])
    desk.do(change_of(desk), name="For all", shared="y")
    assert shown(colleague) == (["For all (shared)"], [])
    address = change_of(desk)
    assert "Change the view" not in colleague.open(ADDRESS).words
    for path in (address, f"{address}/removal"):
        assert colleague.browser.post(path, data={"name": "Mine now"}).status_code == 404
    save(colleague, "For all")
    assert shown(colleague)[0] == ["For all", "For all (shared)"], "one's own come first"


def test_an_administrator_changes_what_others_share_but_not_what_they_keep(desk, colleague):
    save(colleague, "Mine")
    own = change_of(colleague)
    assert desk.browser.post(own, data={"name": "Yours"}).status_code == 404
    colleague.do(own, name="Ours", shared="y")
    desk.do(f"{change_of(desk)}/removal")
    assert shown(colleague) == ([], [])


def test_what_is_shared_stays_when_its_owner_is_removed_and_what_is_private_goes(desk, colleague):
    save(colleague, "Ours", shared="y")
    save(colleague, "Mine", "/held/?q=1")
    desk.do(f"/settings/users/{colleague.merchant.user_id}/delete")
    assert shown(desk) == (["Ours (shared)"], [])
    with desk.inside():
        assert db.session.execute(select(ListView.name, ListView.user_id)).all() == [("Ours", None)]
    link = desk.open(ADDRESS).one("a", class_="chip-view")
    assert "title" not in link.attributes, "it is nobody's"
    address = change_of(desk)
    desk.do(address, name="For all", shared="y")
    save(desk, "To do")
    assert shown(desk)[0] == ["To do", "For all (shared)"], "one's own come first"
    assert desk.send(address, 422, name="To do").error_of("name"), (
        "taken back it is one's own, whose names are taken once"
    )
    desk.do(address, name="Mine now")
    with desk.inside():
        own = select(ListView.name).where(ListView.user_id == desk.merchant.user_id)
        assert set(db.session.scalars(own)) == {"To do", "Mine now"}
    desk.do(f"{address}/removal")
    assert shown(desk)[0] == ["To do"]


def test_a_name_is_taken_once_a_list_and_user_or_saved_over(desk):
    save(desk)
    again = {"name": "TO DO", "address": "/documents/?state=shipped"}
    page = desk.send("/lists/views", 422, **again)
    assert page.error_of("name") == "There is a view called “TO DO” of this list already."
    assert page.fields["name"] == "TO DO" and page.fields["address"] == again["address"]
    save(desk, address="/held/?q=1")
    save(desk, "Other")
    desk.do("/lists/views", over="1", **again)
    assert shown(desk, again["address"]) == (["Other", "TO DO"], ["TO DO"])


def test_renaming_to_a_taken_name_is_refused_at_the_field(desk):
    save(desk, "First", "/documents/?state=shipped")
    save(desk, "Second")
    page = desk.send(change_of(desk), 422, name="first")
    assert page.error_of("name") and page.fields["name"] == "first"
    assert shown(desk)[0] == ["First", "Second"]


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/", "//elsewhere.example/", "/nowhere/", "", "/documents/?" + "q" * 9_000]
)
def test_only_addresses_of_our_own_pages_are_kept(desk, address):
    assert desk.browser.post("/lists/views", data={"name": "x", "address": address}).status_code == 404
