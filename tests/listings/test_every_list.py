"""One small piece of code serves every list: each has its heads, its search and its files."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.addresses.models import NumberRange, Purpose
from portal.extensions import db
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.listings.test_export import as_csv, as_xlsx

BUTTONS = {"Actions", "Copy"}  # columns that are nothing for a file


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


# Every list, and whether a merchant with a few orders has something in it.
LISTS = {
    "/documents/": True,
    "/held/": True,
    "/shipments/": False,
    "/shipments/carriers": True,
    "/addresses/": True,
    "/addresses/statuses": True,
    "/addresses/doubles": True,
    "/addresses/merges": False,
    "/addresses/numbers/{range}/ledger": True,
    "/masterdata/payment-methods/": True,
    "/masterdata/tax-codes/": False,
    "/platforms/": True,
    "/credentials/": True,
    "/jobs/": False,
    "/actions/": True,
    "/actions/schemas": True,
}


def a_merchant_with_a_few_orders(desk):
    """Two customers of the same name and place, an order that is held, a schema and a run of it; the range's id."""
    desk.take(an_order("028-1"), an_order("028-2"), an_order("028-3", total=None))
    desk.do("/actions/schemas", name="Each", area="platforms", kind="all", presets="refresh")
    desk.do("/actions/assistant", area="platforms", kind="all", presets="refresh")
    with desk.inside():
        return db.session.scalars(select(NumberRange.id).where(NumberRange.purpose == Purpose.ORDER)).one()


def test_every_list_writes_as_many_cells_as_heads_and_takes_them_along(desk):
    range_id = a_merchant_with_a_few_orders(desk)
    for path, filled in LISTS.items():
        path = path.format(range=range_id)
        page = desk.open(path)
        shown = [head.words for head in page.all("th", scope="col")]
        assert {len(row) for row in page.rows} == ({len(shown)} if filled else set()), path
        for lines in (as_csv(desk, path), as_xlsx(desk, path)) if filled else ():
            assert [label for label in lines[0] if label in shown] == [each for each in shown if each not in BUTTONS]
            assert len(lines) > len(page.rows), path


def test_a_small_list_is_searched_and_sorted(desk):
    names = [row[0] for row in desk.open("/shipments/carriers").rows]
    assert names == sorted(names) and "DHL" in names
    found = [row[0] for row in desk.open("/shipments/carriers", q="dhl e", htmx=True).rows]
    assert found == ["DHL Express"]
    assert [row[0] for row in desk.open("/shipments/carriers", sort="-name").rows] == names[::-1]
    page = desk.open("/shipments/carriers", q="100%_")
    assert "Nothing matches" in page.words and page.link("Clear all") == "/shipments/carriers"
