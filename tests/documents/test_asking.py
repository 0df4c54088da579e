"""Any order can be asked about: where it is, and why it is no document where it is none."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.pool import NullPool

from jobs.fetch import fetch_orders
from portal.automation.models import Run, RunState
from portal.cloud import inbox
from portal.cloud.models import CloudPlatform, CollectedPage, ConnectionState, InboxOrder
from portal.config import sqlalchemy_url
from portal.credentials.models import Credential
from portal.documents.asking import Said, Whereabouts, decide
from portal.documents.forms import parse_order_id
from portal.extensions import db
from portal.order import Status
from portal.platforms.models import Platform
from portal.platforms.service import refresh
from portal.scope import account
from portal.sentences import say
from tests.desk import Desk
from tests.documents.builders import an_order
from tests.exactly_once.shop import open_shop
from tests.ports import free_port

ORDER = "028-1234567-1234567"
GERMANY = "A1PA6795UKMFR9"


@pytest.fixture
def desk(app, live_server, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def platform(desk):
    """A platform that the cloud knows."""
    return known_platform(desk)


def known_platform(desk, name="Amazon", **values):
    reference = f"{desk.merchant.client_id}-{name}".replace(" ", "-")
    with desk.app.app_context(), account(desk.merchant.account_id):
        db.session.add(
            CloudPlatform(
                account_id=desk.merchant.account_id,
                reference=reference,
                kind="amazon",
                name=name,
                name_key=name.casefold(),
                marketplaces=[GERMANY],
                connection=ConnectionState.AUTHENTICATED,
            )
        )
        db.session.commit()
    return desk.platform(name, reference)


def reaches_the_cloud(desk, platform, *orders):
    """The cloud has collected these orders."""
    with desk.app.app_context(), account(desk.merchant.account_id):
        there = db.session.scalars(select(CloudPlatform).where(CloudPlatform.reference == platform.reference)).one()
        page = CollectedPage(
            account_id=there.account_id,
            platform_id=there.id,
            operation="searchOrders",
            request_id="r",
            page=1,
            orders=len(orders),
        )
        db.session.add(page)
        db.session.flush()
        inbox.receive(there, orders, page)
        db.session.commit()


def answer(desk, order_id=ORDER):
    return desk.open("/documents/ask", htmx=True, order_id=order_id).one("div", id="answer")


class TestWhereItIs:
    def test_it_is_a_document(self, desk, platform):
        document = desk.document(ORDER)
        page = answer(desk)
        assert f"It is a document {document.number}, Open" in page.words
        assert page.link(document.number) == f"/documents/{document.id}"

    def test_it_is_held_and_why(self, desk, platform):
        desk.take(an_order(ORDER, total=None))
        held = desk.held()[ORDER]
        page = answer(desk)
        assert "It is held" in page.words and say(held.reason) in page.words
        assert page.link("To the held order") == f"/held/{held.id}"

    def test_it_waits_in_the_cloud(self, desk, platform):
        reaches_the_cloud(desk, platform, an_order(ORDER))
        assert "It waits in the cloud" in answer(desk).words
        assert "Platform: Amazon" in answer(desk).words

    def test_it_is_pending_at_the_marketplace(self, desk, platform):
        reaches_the_cloud(desk, platform, an_order(ORDER, status=Status.PENDING))
        assert "It is pending at the marketplace" in answer(desk).words

    def test_its_articles_are_not_told_yet(self, desk, platform):
        reaches_the_cloud(desk, platform, an_order(ORDER, lines=[]))
        page = answer(desk)
        assert "It is pending" in page.words and say(inbox.NO_ARTICLES) in page.words

    def test_it_was_cancelled_before_it_was_a_document(self, desk, platform):
        reaches_the_cloud(desk, platform, an_order(ORDER, status=Status.CANCELLED))
        assert "It is cancelled It was cancelled before it became a document." in answer(desk).words

    def test_it_is_filtered_out_and_by_which_setting(self, desk, platform):
        reaches_the_cloud(desk, platform, an_order(ORDER, marketplace="A1F83G8C2ARO7P", channel="Amazon.co.uk"))
        page = answer(desk)
        assert "It is filtered out by a setting" in page.words
        assert "Sold on Amazon.co.uk, which is not among the platform's marketplaces." in page.words

    def test_it_was_handed_over_and_is_no_document(self, desk, platform):
        reaches_the_cloud(desk, platform, an_order(ORDER))
        with desk.app.app_context(), account(desk.merchant.account_id):
            db.session.execute(update(InboxOrder).values(state="delivered"))
            db.session.commit()
        assert "It was handed over and is no document" in answer(desk).words

    def test_it_was_never_seen(self, desk, platform):
        page = answer(desk)
        assert "It was never seen" in page.words and "FETCH NOW asks the marketplace itself" in page.words
        assert page.one("form").attributes["action"] == "/documents/ask"

    def test_nobody_could_say_since_the_cloud_does_not_answer(self, desk, platform):
        with desk.inside():
            credential = db.session.get_one(Credential, desk.merchant.credential_id)
            credential.address = f"http://127.0.0.1:{free_port()}/cloud"
            db.session.commit()
        page = answer(desk)
        assert "Nobody could say" in page.words and "was never seen" not in page.words
        assert len(page.one("p", class_="sentence").words) > 10

    def test_of_several_platforms_the_most_telling_answers(self, desk, platform):
        other = known_platform(desk, "Amazon Polska")
        reaches_the_cloud(desk, other, an_order(ORDER))
        page = answer(desk)
        assert "It waits in the cloud" in page.words and "Platform: Amazon Polska" in page.words
        assert [option.words for option in page.one("select").all("option")] == [
            "All platforms",
            "Amazon",
            "Amazon Polska",
        ]

    def test_without_a_platform_nobody_is_asked(self, desk):
        page = answer(desk)
        assert "It was never seen" in page.words and not page.all("form")

    def test_an_order_of_a_neighbour_was_never_seen(self, desk, platform, make_tenant, client_of):
        reaches_the_cloud(desk, platform, an_order(ORDER))
        neighbour = Desk.of(desk.app, make_tenant(), client_of)
        known_platform(neighbour)
        assert "It was never seen" in answer(neighbour).words


class TestTyping:
    def test_nothing_typed_shows_what_can_be_asked(self, desk):
        assert "Paste any order number" in desk.open("/documents/ask").words
        assert "Paste any order number" in desk.open("/documents/ask", order_id=" \u200b ").words

    def test_what_is_pasted_along_is_left_out(self, desk, platform):
        reaches_the_cloud(desk, platform, an_order(ORDER))
        for typed in (f"  {ORDER}\n", f"\u200b{ORDER}\u00a0", f"\ufeff{ORDER}\t"):
            assert "It waits in the cloud" in answer(desk, typed).words

    @pytest.mark.parametrize("typed", ["../../token", "a/b?c#d", "%2e%2e", "<b>x</b>", "💥", "\x00x", "x" * 5000, "."])
    def test_hostile_numbers_were_never_seen(self, desk, platform, typed):
        html = desk.browser.get("/documents/ask", query_string={"order_id": typed}).text
        assert "<b>x" not in html
        assert "was never seen" in html or "Nobody could say" in html

    def test_the_page_and_its_part_say_the_same(self, desk, platform):
        page = desk.open("/documents/ask", order_id=ORDER)
        assert page.one("div", id="answer").words == answer(desk).words
        assert page.fields["order_id"] == ORDER

    def test_an_order_id_is_at_most_a_hundred_signs(self):
        assert parse_order_id("x" * 99 + " y") == "x" * 99
        assert parse_order_id("\x00") == ""


def test_an_answer_of_a_newer_cloud_is_no_answer():
    platform = Platform(name="Amazon")
    assert decide(ORDER, None, None, [Said(platform, "somewhere")]).where == Whereabouts.UNANSWERED
    said = [Said(platform, foreign=True), Said(platform, "filtered", "by X"), Said(platform)]
    assert decide(ORDER, None, None, said).where == Whereabouts.FILTERED
    assert decide(ORDER, None, None, [said[0], said[2]]).where == Whereabouts.NOT_THIS_SELLERS
    assert decide(ORDER, None, None, [Said(platform, problem="busy"), said[0]]).where == Whereabouts.UNANSWERED
    assert decide(ORDER, None, None, []).where == Whereabouts.NEVER_SEEN


class TestFetchNow:
    """The marketplace itself is asked: the sandbox, through the cloud."""

    @pytest.fixture
    def shop(self, desk, servers, amazon):
        owner = create_engine(sqlalchemy_url(servers.database_owner), poolclass=NullPool)
        return open_shop(desk.app, owner, amazon, desk.merchant)

    def fetch_now(self, desk, order_id, **more):
        return desk.send("/documents/ask", 200, order_id=order_id, **more)

    def test_what_the_marketplace_has_waits_and_is_fetched_at_once(self, desk, shop):
        (order_id,) = shop.place("plain")
        assert "It was never seen" in answer(desk, order_id).words
        page = self.fetch_now(desk, order_id)
        assert "It waits in the cloud" in page.words and "A fetch has been started" in page.words
        with desk.inside():
            run = db.session.scalars(select(Run)).one()
        assert (run.state, run.cause) == (RunState.QUEUED, "person")
        assert page.one("div", id="run").attributes["hx-get"] == f"/jobs/{run.id}/progress"
        with desk.app.app_context():
            fetch_orders(run.tenant_id, run.id)
        document = desk.documents()[order_id]
        assert answer(desk, order_id).link(document.number) == f"/documents/{document.id}"
        assert "getOrder" in desk.open(f"/documents/{document.id}").one("details", class_="card").words
        # Asked once more, the document is the answer, and no second one is made.
        assert "It is a document" in self.fetch_now(desk, order_id, platform=str(shop.platform_id)).words
        assert len(desk.documents()) == 1

    def test_another_sellers_order_is_not_ours(self, desk, shop, amazon):
        foreign = amazon.place("plain", seller=amazon.add_seller())[0]
        for order_id in (foreign, "028-9999999-9999999"):
            page = self.fetch_now(desk, order_id)
            assert "It is not this seller's order" in page.words
            assert not page.all("div", id="run")
        assert "It was never seen" in answer(desk, foreign).words

    def test_what_is_pending_there_is_pending_here_and_starts_no_fetch(self, desk, shop):
        order_id = shop.place("pending")[0]
        page = self.fetch_now(desk, order_id)
        assert "It is pending at the marketplace" in page.words and not page.all("div", id="run")

    def test_a_marketplace_out_of_order_is_no_never_seen(self, desk, shop, amazon):
        (order_id,) = shop.place("plain")
        amazon.fault("503", "getOrder", times=20)
        try:
            page = self.fetch_now(desk, order_id)
        finally:
            amazon.faults_off()
        assert "Nobody could say" in page.words

    def test_a_platform_that_is_not_connected_hides_no_answer_of_another(self, desk, shop):
        unfinished = known_platform(desk, "Unfinished")
        with desk.inside():
            db.session.get_one(Platform, unfinished.id).number = 0  # asked first
            refresh(db.session.get_one(Platform, shop.platform_id))
            db.session.commit()
        assert "It is not this seller's order" in self.fetch_now(desk, "028-9999999-9999999").words
        alone = self.fetch_now(desk, "028-9999999-9999999", platform=str(unfinished.id))
        assert "Nobody could say" in alone.words

    def test_only_the_chosen_platform_is_asked(self, desk, shop):
        (order_id,) = shop.place("plain")
        page = self.fetch_now(desk, order_id, platform="2147483647")
        assert "It was never seen" in page.words and "was asked just now" not in page.words
        assert "was asked just now" not in answer(desk, order_id).words
        assert desk.documents() == {}

    def test_nothing_typed_asks_nobody(self, desk, shop):
        assert "Paste any order number" in self.fetch_now(desk, " ").words


def test_the_payload_in_the_inbox_is_what_the_portal_reads(desk, platform):
    reaches_the_cloud(desk, platform, an_order(ORDER))
    with desk.app.app_context(), account(desk.merchant.account_id):
        kept = db.session.scalars(select(InboxOrder.payload)).one()
    assert msgspec.json.decode(kept)["id"] == ORDER
