"""Held orders by what holds them: mended once, all that waited for it are tried again together."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from jobs.actions import run_actions
from portal.automation.models import ActionRun
from portal.extensions import db
from portal.held import groups, service
from portal.masterdata.models import Article
from portal.platforms.models import Platform, UnknownSku
from tests.desk import Desk
from tests.documents.builders import a_line, an_order


@pytest.fixture
def desk(app, make_tenant, client_of):
    """Three orders wait for an article A-17, one for B-2, and one for something of its own."""
    desk = Desk.of(app, make_tenant(), client_of)
    desk.platform()
    with desk.inside():
        db.session.execute(update(Platform).values(unknown_sku=UnknownSku.HOLD))
        db.session.commit()
    waiting = [an_order(f"028-{n}", lines=[a_line(sku="A-17")]) for n in range(3)]
    desk.take(*waiting, an_order("028-8", lines=[a_line(sku="B-2")]), an_order("028-9", total=None))
    return desk


def mend(desk, number="A-17"):
    with desk.inside():
        db.session.add(Article(tenant_id=desk.merchant.tenant_id, number=number))
        db.session.commit()


def shown(desk, path="/held/"):
    return [group.all("a")[0].words for group in desk.open(path).all("li", class_="held-group")]


def test_each_group_says_how_many_wait_and_what_for_the_largest_first(desk):
    assert shown(desk) == [
        "3 orders: SKU without an article: A-17",
        "1 order: No total",
        "1 order: SKU without an article: B-2",
    ]


def test_a_group_leads_to_its_orders_and_to_where_it_is_mended(desk):
    page = desk.open("/held/")
    orders = page.link("3 orders")
    assert {row[0] for row in desk.open(orders).rows} == {"028-0", "028-1", "028-2"}
    assert shown(desk, orders) == [], "the groups are of all that is held"
    mended_at = page.all("li", class_="held-group")[0].link("Mend")
    assert desk.open(mended_at).fields["sku"] == "A-17"


def test_what_is_mended_is_tried_again_and_nothing_else(desk):
    mend(desk)
    page = desk.do("/held/retry", cause="unknown_sku", about="A-17")
    assert "3 orders are documents now; 0 are held still." in page.words
    assert {id: order.retries for id, order in desk.held().items()} == {"028-8": 0, "028-9": 0}


def test_who_mends_a_sku_is_led_back_to_try_again_what_waits_for_it(desk):
    with desk.inside():
        db.session.add(Article(tenant_id=desk.merchant.tenant_id, number="L-1"))
        db.session.commit()
    mended_at = desk.open("/held/").all("li", class_="held-group")[0].link("Mend").partition("?")[0]
    for sku, led_to in (("A-17", "/held/"), ("C-3", mended_at)):
        assert desk.browser.post(mended_at, data={"sku": sku, "number": "L-1"}).location == led_to


def test_what_is_not_mended_stays_and_is_said(desk):
    assert (
        "0 orders are documents now; 3 are held still."
        in desk.do("/held/retry", cause="unknown_sku", about="A-17").words
    )


def test_another_version_of_an_order_waits_for_what_it_says_now(desk):
    desk.take(an_order("028-8", version=2, lines=[a_line(sku="A-17")]))
    assert shown(desk) == ["4 orders: SKU without an article: A-17", "1 order: No total"]


@pytest.mark.parametrize(("form", "documents"), [({"cause": "unknown_sku", "about": "A-17"}, 3), ({}, 4)])
def test_more_than_a_request_can_bear_are_left_to_a_worker(desk, monkeypatch, form, documents):
    monkeypatch.setattr(service, "MOST_AT_ONCE", 2)
    mend(desk, "A-17")
    mend(desk, "B-2")
    page = desk.do("/held/retry", **form)
    assert "These are many" in page.words and len(desk.documents()) == 0
    with desk.inside():
        run = db.session.scalars(select(ActionRun)).one()
    with desk.app.app_context():
        run_actions(desk.merchant.tenant_id, run.id)
    assert len(desk.documents()) == documents
    assert f"1 record: {documents} processed, 0 warnings" in desk.open(f"/actions/{run.id}").words


def test_of_many_groups_some_are_shown_and_that_there_are_more_is_said(desk, monkeypatch):
    monkeypatch.setattr(groups, "MOST_GROUPS", 2)
    page = desk.open("/held/")
    assert len(page.all("li", class_="held-group")) == 2
    assert "There are more causes than are shown." in page.words


def test_no_group_in_the_form_breaks_the_retry(desk):
    for cause in ("", "\0", "x" * 10_000, "'; --"):
        assert "0 are held still" in desk.do("/held/retry", cause=cause, about="\0").words
    assert len(desk.held()) == 5
