"""The dashboard: each number is true, and its link leads to just so many rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from portal import dashboard, days
from portal.credentials.models import Credential
from portal.dashboard import CHART_HEIGHT, chart
from portal.documents.listing import start_of
from portal.extensions import db, redis
from portal.order import Status
from portal.platforms.models import Connection, Platform
from portal.sentences import kept, sentence
from portal.tenants.models import Tenant
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.patience import wait_until
from tests.ports import free_port

ZONE = ZoneInfo("Europe/Berlin")


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


def figures(page):
    """The numbers at the top, with the link of each."""
    found = {}
    for card in page.all("a", class_="figure"):
        label, value = card.all("span")[0].words, card.one("b").words
        found[label] = (value, card.attributes["href"], card.words)
    return found


def moment_today():
    """A moment that lies in today, where the tenant is, and not in the future."""
    now = datetime.now(UTC)
    return max(start_of(now.astimezone(ZONE).date(), ZONE), now - timedelta(minutes=5))


class TestFigures:
    @pytest.fixture
    def page(self, desk):
        now, today = datetime.now(UTC), moment_today()
        yesterday = start_of(today.astimezone(ZONE).date(), ZONE) - timedelta(seconds=1)
        soon, late = now + timedelta(days=1), now - timedelta(hours=1)
        desk.take(
            an_order("today-1", placed_at=today, ship_by=soon),
            an_order("today-2", placed_at=today, ship_by=None),
            an_order("yesterday-late", placed_at=yesterday, ship_by=late),
            an_order("yesterday-theirs", placed_at=yesterday, ship_by=late, fulfilled_by="marketplace"),
            an_order("yesterday-shipped", placed_at=yesterday, ship_by=late, status=Status.SHIPPED),
            an_order("to-report-1", placed_at=yesterday, ship_by=late),
            an_order("to-report-2", placed_at=yesterday, ship_by=late),
            *(an_order(f"held-{n}", total=None) for n in range(4)),
        )
        documents = desk.documents()
        for order_id in ("to-report-1", "to-report-2"):
            desk.parcel(documents[order_id], state="failed", problem="No.")
        desk.parcel(documents["today-2"], state="sent")
        return desk.open("/")

    @pytest.mark.parametrize(
        ("label", "number"), [("Orders today", 2), ("Held", 4), ("To ship", 2), ("Reports failed", 2)]
    )
    def test_each_number_leads_to_as_many_rows(self, desk, page, label, number):
        value, url, _ = figures(page)[label]
        assert value == str(number)
        assert len(desk.open(url).rows) == number
        assert f"{number} of {number}" in desk.open(url).words

    def test_what_is_late_is_counted_among_what_is_to_ship(self, page):
        assert "1 overdue" in figures(page)["To ship"][2]

    def test_the_last_thirty_days_add_up(self, page):
        rows = [row for row in page.one("div", class_="col-lg-8").rows if len(row) == 3]
        assert [row[1:] for row in rows] == [["2", "4"], ["5", "0"]]
        assert len(page.one("svg", class_="chart").all("rect", class_="orders")) == days.DAYS

    def test_platforms_stand_beside_with_their_connection(self, page):
        item = page.one("a", class_="list-group-item")
        assert item.words.startswith("Amazon Not authenticated last fetch")


class TestNewTenant:
    def test_nothing_is_zero_and_calm(self, desk):
        found = figures(desk.open("/"))
        assert {label: value for label, (value, _, _) in found.items()} == {
            "Orders today": "0",
            "Waiting in the cloud": "…",
            "Held": "0",
            "To ship": "0",
            "Reports failed": "0",
        }
        assert "No order in the last 30 days." in desk.open("/").words
        for _, url, _ in found.values():
            desk.open(url)

    def test_a_neighbours_rows_do_not_count(self, desk, make_tenant, client_of):
        desk.document()
        desk.take(an_order("028-2", total=None))
        found = figures(Desk.of(desk.app, make_tenant(), client_of).open("/"))
        assert found["Held"][0] == found["To ship"][0] == "0"

    def test_nobody_sees_it_without_signing_in(self, app):
        for path in ("/", "/waiting"):
            assert app.test_client().get(path).status_code == 302


class TestWaiting:
    """What waits in the cloud is asked of it, but never waited for long."""

    def shown(self, desk):
        return figures(desk.open("/waiting", htmx=True))["Waiting in the cloud"]

    def with_cloud_at(self, desk, address):
        platform = desk.platform(reference="unknown-there")
        with desk.inside():
            db.session.get_one(Credential, desk.merchant.credential_id).address = address
            db.session.commit()
        return platform

    def test_without_a_platform_nothing_waits(self, desk):
        value, url, words = self.shown(desk)
        assert (value, url) == ("0", "/platforms/") and "no platform is connected" in words

    def test_a_cloud_that_is_down_is_said_at_once(self, desk):
        self.with_cloud_at(desk, f"http://127.0.0.1:{free_port()}/cloud")
        value, _, words = self.shown(desk)
        assert value == "…" and "The cloud does not answer" in words

    def test_a_cloud_that_is_slow_is_not_waited_for(self, desk):
        import socket

        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.with_cloud_at(desk, f"http://127.0.0.1:{silent.getsockname()[1]}/cloud")
            value, _, words = self.shown(desk)
        assert value == "…" and "asking the cloud" in words

    def in_the_cloud(self, desk, live_server, **columns):
        """A platform with three orders in the inbox, known here and in the cloud."""
        from portal.cloud import inbox
        from portal.cloud.models import CloudPlatform, CollectedPage, ConnectionState
        from portal.scope import account

        platform = self.with_cloud_at(desk, f"{live_server}/cloud")
        with desk.app.app_context(), account(desk.merchant.account_id):
            there = CloudPlatform(
                account_id=desk.merchant.account_id,
                reference=f"dashboard-{desk.merchant.account_id}",
                kind="amazon",
                name="Amazon",
                name_key="amazon",
                marketplaces=["A1PA6795UKMFR9"],
                connection=ConnectionState.AUTHENTICATED,
                **columns,
            )
            db.session.add(there)
            db.session.flush()
            call = CollectedPage(
                account_id=there.account_id, platform_id=there.id, operation="o", request_id="r", page=1, orders=3
            )
            db.session.add(call)
            db.session.flush()
            inbox.receive(there, [an_order(f"028-{n}") for n in range(3)], call)
            db.session.commit()
            reference = there.reference
        with desk.inside():
            db.session.execute(
                db.update(Platform).values(reference=reference, connection=Connection.AUTHENTICATED, active=True)
            )
            db.session.commit()
        wait_until(lambda: self.shown(desk)[0] != "…")
        return platform

    def test_the_cloud_says_how_many(self, desk, live_server):
        platform = self.in_the_cloud(desk, live_server)
        value, _, words = self.shown(desk)
        assert value == "3" and "fetched by themselves" in words
        with desk.app.app_context():  # and is remembered for some seconds
            assert redis().get(f"kontor:waiting:{platform.tenant_id}:{platform.id}")

    def test_the_cloud_says_how_it_gets_on_at_the_marketplace(self, desk, live_server):
        now = datetime.now(UTC)
        problem = kept(sentence("The marketplace did not answer, or does not let this installation in."))
        columns = {"collected_at": now - timedelta(hours=3), "next_collect_at": now + timedelta(hours=5)}
        platform = self.in_the_cloud(desk, live_server, collect_problem=problem, **columns)
        assert "The marketplace does not answer" in self.shown(desk)[2]
        asked = desk.open(f"/platforms/{platform.id}").all("div", hx_get=f"/platforms/{platform.id}/waiting")
        assert len(asked) == 1
        words = desk.open(f"/platforms/{platform.id}/waiting", htmx=True).words
        assert "The marketplace did not answer, or does not let this installation in." in words
        assert "Waiting in the cloud3" in words
        assert "last read3 hours ago" in words and "Next readingin 5 hours" in words

    def test_a_reading_that_is_due_is_next_now(self, desk, live_server):
        due = datetime.now(UTC) - timedelta(seconds=20)
        platform = self.in_the_cloud(desk, live_server, next_collect_at=due)
        assert "Next readingnow" in desk.open(f"/platforms/{platform.id}/waiting", htmx=True).words


class TestChart:
    @given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)), max_size=30))
    def test_bars_lie_within_the_picture_and_the_fullest_fills_it(self, counts):
        shown = [days.Day(datetime(2026, 1, 1).date(), orders, held) for orders, held in counts]
        bars = chart(shown)
        for bar, day in zip(bars, shown, strict=True):
            assert -1e-9 <= bar.held_y <= bar.orders_y <= CHART_HEIGHT + 1e-9
            assert bar.orders_height >= 0 and (bar.held_height > 0) == (day.held > 0)
            assert bar.held_y + bar.held_height == pytest.approx(bar.orders_y)
            assert bar.orders_y + bar.orders_height == pytest.approx(CHART_HEIGHT)
        if any(orders or held for orders, held in counts):
            assert max(b.orders_height + b.held_height for b in bars) == pytest.approx(CHART_HEIGHT)

    def test_days_are_those_of_the_tenant_even_when_the_clock_changes(self, desk):
        now = datetime(2026, 10, 26, 12, tzinfo=UTC)
        first, last = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, tzinfo=UTC)
        desk.take(
            an_order("028-1", placed_at=first),
            an_order("028-2", placed_at=last),
            an_order("028-3", placed_at=last + timedelta(minutes=1)),
            an_order("028-4", placed_at=first - timedelta(microseconds=1)),
        )
        with desk.inside():
            found = {str(day.day): day.orders for day in days.last_days(now, ZONE)}
            assert (found["2026-10-24"], found["2026-10-25"], found["2026-10-26"]) == (1, 2, 1)
            assert next(iter(found)) == "2026-09-27" and len(found) == days.DAYS
            assert [(day.day, day.orders) for day in days.last_days(now, ZONE)] == [
                (datetime.fromisoformat(name).date(), orders) for name, orders in found.items()
            ]


def test_the_tour_is_for_the_tenant_of_the_demo(desk, make_tenant, client_of, monkeypatch):
    """His marketplace places orders by itself; that of another tenant here does not."""
    with desk.inside():
        number = db.session.get_one(Tenant, desk.merchant.tenant_id).customer_number
    monkeypatch.setitem(desk.app.config, "DEMO", number)
    assert "A short tour of the demo" in desk.open("/").words
    assert "A short tour of the demo" not in Desk.of(desk.app, make_tenant(), client_of).open("/").words


def test_a_count_beyond_its_limit_says_so(desk, monkeypatch):
    desk.take(*(an_order(f"028-{n}", placed_at=moment_today()) for n in range(3)))
    monkeypatch.setattr(dashboard, "MOST", 2)
    found = figures(desk.open("/"))
    assert found["Orders today"][0] == found["To ship"][0] == "more than 10,000"  # the words of the real limit
    with desk.app.app_context():
        assert db.session.scalar(text("SELECT 1")) == 1
