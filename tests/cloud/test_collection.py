"""Orders come from the marketplace into the inbox: all of them, in few calls, whatever happens on the way."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import event

from jobs.collect import collect_orders
from portal.cloud import collection, inbox
from portal.cloud.collection import collect, collect_anew, refetch
from portal.cloud.models import CloudEvent, CollectedPage, ConnectionState, InboxState
from portal.extensions import db, redis
from portal.locks import Lock
from portal.order import Order, Status
from portal.sentences import say
from tests.cloud.amazon_orders import an_item, an_order
from tests.cloud.conftest import in_another_process, until_free
from tests.cloud.scripted import RESET, Reply, ago, html, refusal
from tests.documents.builders import an_order as translated_order
from tests.patience import SECONDS


def order_id(number: int) -> str:
    return f"028-{number:07d}-{number:07d}"


def some_orders(count: int, minutes: float = 60, **changes) -> list[dict]:
    made = {"lastUpdatedTime": ago(minutes), **changes}
    return [an_order(orderId=order_id(number), **made) for number in range(count)]


def failed(seller) -> tuple[int, str | None]:
    platform = seller.platform
    return platform.failures, platform.collect_problem and say(platform.collect_problem)


def seconds_until(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - datetime.now(UTC)).total_seconds()


def test_two_thousand_waiting_orders_cost_twenty_calls_and_none_per_order(seller, scripted):
    scripted.orders = some_orders(2000)
    collect(seller.platform_id)
    assert len(seller.inbox()) == 2000
    assert (scripted.count("searchOrders"), scripted.count("getOrder"), len(scripted.calls)) == (20, 0, 21)


def test_the_first_window_reaches_back_by_the_setting_and_the_next_overlaps(seller, scripted, app):
    collect(seller.platform_id)
    collect(seller.platform_id)
    first, second = scripted.of("searchOrders")
    begin, end = (datetime.fromisoformat(first.query[name]) for name in ("lastUpdatedAfter", "lastUpdatedBefore"))
    assert end - begin == timedelta(days=app.config["COLLECT_SINCE_DAYS"])
    assert end - datetime.fromisoformat(second.query["lastUpdatedAfter"]) == timedelta(minutes=10)


def test_the_window_ends_where_amazon_lets_it(seller, scripted, app, monkeypatch):
    monkeypatch.setitem(app.config, "AMAZON_MIN_AGE", 125.0)
    collect(seller.platform_id)
    end = datetime.fromisoformat(scripted.of("searchOrders")[0].query["lastUpdatedBefore"])
    assert 124 < (datetime.now(UTC) - end).total_seconds() < 135


def test_a_bound_that_amazon_set_earlier_is_the_watermark(seller, scripted):
    scripted.put_in_line("searchOrders", Reply(body={"orders": [], "lastUpdatedBefore": "2026-01-01T00:00:00Z"}))
    collect(seller.platform_id)
    assert seller.platform.watermark == datetime(2026, 1, 1, tzinfo=UTC)


def reaches(scripted) -> list[timedelta]:
    """How far back each call for orders reached so far."""
    return [
        datetime.now(UTC) - datetime.fromisoformat(call.query["lastUpdatedAfter"])
        for call in scripted.of("searchOrders")
    ]


def a_day_later(seller) -> None:
    redis().delete(f"kontor:rescanned:{seller.platform_id}")


def test_once_a_day_the_last_three_days_are_looked_at_again_behind_the_regular_window(seller, scripted):
    collect(seller.platform_id)
    a_day_later(seller)
    scripted.orders = some_orders(1, minutes=60 * 71)  # became visible days after the time it carries
    for _ in range(2):
        collect(seller.platform_id)
    _first, usual, rescan, usual_again = reaches(scripted)
    assert usual < timedelta(minutes=11) and usual_again < timedelta(minutes=11)
    assert timedelta(days=3) <= rescan < timedelta(days=3, minutes=1)
    assert len(seller.inbox()) == 1
    watermark = seller.platform.watermark
    assert datetime.now(UTC) - watermark < timedelta(seconds=30)


def test_looking_again_reaches_no_further_back_than_a_new_connection(seller, scripted, app, monkeypatch):
    monkeypatch.setitem(app.config, "COLLECT_SINCE_DAYS", 1)
    collect(seller.platform_id)
    a_day_later(seller)
    collect(seller.platform_id)
    assert timedelta(days=1) <= reaches(scripted)[-1] < timedelta(days=1, minutes=1)


def test_new_orders_wait_for_no_page_that_is_looked_at_again(seller, scripted):
    collect(seller.platform_id)
    a_day_later(seller)
    scripted.orders = some_orders(1600)
    seller.fill_plan("searchOrders", 15)
    collect(seller.platform_id)
    assert scripted.count("searchOrders") == 1 + 1 + 5  # one for new orders, then what is spare beyond ten
    assert len(seller.inbox()) == 500
    new = an_order(orderId=order_id(9999), lastUpdatedTime=ago(0.1))
    scripted.orders.append(new)
    collect(seller.platform_id)  # nothing to spare: the new orders only
    assert len(seller.inbox()) == 501 and scripted.count("searchOrders") == 8
    scripted.orders.remove(new)
    for _ in range(2):
        seller.fill_plan("searchOrders", 20)
        collect(seller.platform_id)
    assert len(seller.inbox()) == 1601
    before = scripted.count("searchOrders")
    seller.fill_plan("searchOrders", 20)
    collect(seller.platform_id)
    assert scripted.count("searchOrders") == before + 1  # done for today


def ten_minutes_pass(seller) -> None:
    """For the windows that were crowded."""
    key = f"kontor:crowded:{seller.platform_id}"
    for member, _ in redis().zrange(key, 0, -1, withscores=True):
        earlier = datetime.fromisoformat(member.decode()) - timedelta(minutes=10)
        redis().zrem(key, member)
        redis().zadd(key, {earlier.isoformat(): earlier.timestamp()})


def test_of_two_crowded_windows_each_overlap_is_looked_at_again(seller, scripted):
    collect(seller.platform_id)
    for _ in range(2):
        further = [Reply(body={"orders": [], "pagination": {"nextToken": f"token-{page}"}}) for page in range(3)]
        scripted.put_in_line("searchOrders", *further, Reply(body={"orders": []}))
        collect(seller.platform_id)
    ten_minutes_pass(seller)
    seller.fill_plan("searchOrders", 20)
    collect(seller.platform_id)
    *_, first, second = scripted.of("searchOrders")
    ends = [datetime.fromisoformat(call.query["lastUpdatedBefore"]) for call in (first, second)]
    begins = [datetime.fromisoformat(call.query["lastUpdatedAfter"]) for call in (first, second)]
    assert [end - begin for end, begin in zip(ends, begins, strict=True)] == [timedelta(minutes=10)] * 2
    assert ends[0] < ends[1]


def test_a_crowded_overlap_begun_anew_is_no_repetition(seller, scripted):
    collect(seller.platform_id)
    scripted.orders = some_orders(400, 0)
    collect(seller.platform_id)
    scripted.orders = some_orders(250, 12)
    ten_minutes_pass(seller)
    seller.fill_plan("searchOrders", 20)
    nothing = Reply(body={"orders": []})
    scripted.put_in_line("searchOrders", nothing, scripted.searchOrders, refusal(400, "InvalidInput", ""))
    collect(seller.platform_id)
    redis().delete(f"kontor:looking-again-rests:{seller.platform_id}")  # an hour later
    before = scripted.count("searchOrders")
    scripted.put_in_line("searchOrders", nothing)
    seller.fill_plan("searchOrders", 20)
    collect(seller.platform_id)
    assert scripted.count("searchOrders") == before + 1 + 3
    assert not redis().exists(f"kontor:looking-again-rests:{seller.platform_id}")


def test_somebody_who_wants_the_new_orders_now_does_not_wait_for_what_is_looked_at_again(seller, scripted, app):
    from portal.scope import account

    collect(seller.platform_id)
    a_day_later(seller)
    scripted.orders = some_orders(900)

    def claimed(call):  # "fetch now", and the scheduler's claim of it, whose collector finds us at work
        with app.app_context(), account(seller.account_id):
            seller.platform.next_collect_at = datetime.now(UTC) + timedelta(minutes=1)
            db.session.commit()
        return scripted.searchOrders(call)

    scripted.put_in_line("searchOrders", scripted.searchOrders, claimed)
    collect(seller.platform_id)
    assert scripted.count("searchOrders") == 3
    assert seconds_until(seller.platform.next_collect_at) <= 0


def test_what_goes_wrong_in_looking_again_is_no_failure_and_not_tried_at_every_poll(seller, scripted):
    collect(seller.platform_id)
    a_day_later(seller)
    scripted.orders = some_orders(250)
    scripted.put_in_line("searchOrders", scripted.searchOrders, scripted.searchOrders, refusal(400, "InvalidInput", ""))
    for _ in range(2):
        collect(seller.platform_id)
        seller.fill_plan("searchOrders", 20)
    assert (len(seller.inbox()), failed(seller)) == (100, (0, None))
    assert scripted.count("searchOrders") == 1 + 3 + 1
    redis().delete(f"kontor:looking-again-rests:{seller.platform_id}")  # an hour later
    scripted.put_in_line("searchOrders", scripted.searchOrders, scripted.searchOrders, html(503))
    for _ in range(2):
        collect(seller.platform_id)
        seller.fill_plan("searchOrders", 20)
    assert (len(seller.inbox()), failed(seller)) == (250, (0, None))


def test_looking_again_ends_where_the_connection_does(make_seller, scripted):
    seller = make_seller()
    collect(seller.platform_id)
    a_day_later(seller)
    scripted.orders = some_orders(1)
    denied = refusal(403, "Unauthorized", "Access to requested resource is denied.")

    def gone(call):
        seller.platform.connection = ConnectionState.NOT_AUTHENTICATED
        db.session.commit()
        return scripted.searchOrders(call)

    scripted.put_in_line("searchOrders", scripted.searchOrders, denied, denied)
    collect(seller.platform_id)
    assert failed(seller) == (0, None)
    seller.fill_plan("searchOrders", 20)
    scripted.put_in_line("searchOrders", scripted.searchOrders, gone)
    collect(seller.platform_id)
    assert seller.inbox() == {}


def test_a_window_reaches_back_as_far_as_somebody_asked_once(seller, scripted):
    collect(seller.platform_id)
    asked = datetime.now(UTC) - timedelta(days=20)
    seller.platform.look_back_to = asked
    db.session.commit()
    collect(seller.platform_id)
    assert seller.platform.look_back_to is None
    collect(seller.platform_id)
    _first, second, third = (datetime.fromisoformat(c.query["lastUpdatedAfter"]) for c in scripted.of("searchOrders"))
    assert abs(second - asked) < timedelta(seconds=1) and third > asked + timedelta(days=15)


def test_asked_while_a_window_is_under_way_the_next_one_reaches_back(seller, scripted):
    scripted.orders = some_orders(150)
    seller.fill_plan("searchOrders", 1)
    collect(seller.platform_id)
    assert seller.platform.window_from is not None
    seller.platform.look_back_to = datetime.now(UTC) - timedelta(days=29)
    db.session.commit()
    seller.fill_plan("searchOrders", 20)
    collect(seller.platform_id)
    platform = seller.platform
    assert platform.look_back_to is not None and platform.next_collect_at <= datetime.now(UTC)
    collect(seller.platform_id)
    assert seller.platform.look_back_to is None


def test_a_window_of_many_pages_is_read_again_once_when_the_plan_has_room(seller, scripted):
    def reaches_now() -> list[timedelta]:
        before = scripted.count("searchOrders")
        collect(seller.platform_id)
        return reaches(scripted)[before:]

    collect(seller.platform_id)
    scripted.orders = some_orders(400, 1)
    collect(seller.platform_id)
    scripted.orders = []
    moment, usual = timedelta(seconds=30), timedelta(minutes=10)
    assert max(reaches_now() + reaches_now()) < moment
    ten_minutes_pass(seller)
    seller.fill_plan("searchOrders", 5)
    assert usual <= max(reaches_now()) < usual + moment  # no further than usual, and only as far as was not crowded
    seller.fill_plan("searchOrders", 15)
    first, again = reaches_now()
    assert usual <= first < usual + moment and 2 * usual <= again < 2 * usual + moment
    (first,) = reaches_now()
    assert usual <= first < usual + moment


def test_the_next_poll_leaves_a_third_of_the_plan_for_backlogs(seller, scripted):
    collect(seller.platform_id)
    assert 260 < seconds_until(seller.platform.next_collect_at) < 269
    seller.allow(2.0)
    collect(seller.platform_id)
    assert 3 < seconds_until(seller.platform.next_collect_at) <= 5


def test_a_page_is_kept_even_if_the_next_one_fails_and_the_watermark_waits(seller, scripted):
    scripted.orders = some_orders(150)
    scripted.put_in_line("searchOrders", scripted.searchOrders, html(503))
    collect(seller.platform_id)
    platform = seller.platform
    assert (len(seller.inbox()), platform.watermark, platform.next_token, platform.next_page) == (
        100,
        None,
        "page-100",
        2,
    )
    assert failed(seller) == (1, "Amazon's server failed (503).")
    collect(seller.platform_id)
    platform = seller.platform
    assert (len(seller.inbox()), platform.next_token, platform.failures) == (150, None, 0)
    assert platform.watermark is not None and platform.collect_problem is None
    first, again, second = (dict(call.query) for call in scripted.of("searchOrders"))
    assert again == second == {**first, "paginationToken": "page-100"}


def test_an_empty_plan_stops_at_the_page_and_goes_on_there(seller, scripted):
    scripted.orders = some_orders(250)
    seller.fill_plan("searchOrders", 2)
    collect(seller.platform_id)
    assert (len(seller.inbox()), failed(seller)) == (200, (0, None))
    assert 170 < seconds_until(seller.platform.next_collect_at) < 180
    seller.fill_plan("searchOrders", 1)
    collect(seller.platform_id)
    assert (len(seller.inbox()), scripted.count("searchOrders")) == (250, 3)


def test_a_refused_page_token_begins_the_window_anew(seller, scripted):
    scripted.orders = some_orders(150)
    scripted.put_in_line("searchOrders", scripted.searchOrders, refusal(400, "InvalidInput", "Invalid Input"))
    collect(seller.platform_id)
    platform = seller.platform
    assert (platform.next_token, platform.next_page, platform.watermark) == (None, 1, None)
    collect(seller.platform_id)
    assert (len(seller.inbox()), seller.platform.failures) == (150, 0)


def test_an_unexpected_400_skips_nothing(seller, scripted):
    collect(seller.platform_id)
    watermark = seller.platform.watermark
    scripted.put_in_line("searchOrders", refusal(400, "InvalidInput", "Invalid Input"))
    collect(seller.platform_id)
    assert seller.platform.watermark == watermark
    assert failed(seller) == (1, "Amazon refuses the call (400: Invalid Input).")


def test_a_repeated_page_token_ends_the_paging(seller, scripted):
    scripted.orders = some_orders(300)
    endless = Reply(body={"orders": [], "pagination": {"nextToken": "page-100"}})
    scripted.put_in_line("searchOrders", scripted.searchOrders, endless, endless)
    collect(seller.platform_id)
    assert scripted.count("searchOrders") == 2
    assert "repeats a page token" in failed(seller)[1]
    scripted.in_line.clear()
    collect(seller.platform_id)
    assert len(seller.inbox()) == 300


def test_a_repeated_page_under_a_new_token_is_asked_for_again(seller, scripted):
    scripted.orders = some_orders(150)

    def once_more(call):
        page = {"orders": scripted.orders[:100], "pagination": {"nextToken": "page-50"}}
        return Reply(body=page)

    scripted.put_in_line("searchOrders", scripted.searchOrders, once_more)
    collect(seller.platform_id)
    assert "repeats a page;" in failed(seller)[1]
    collect(seller.platform_id)
    assert (len(seller.inbox()), failed(seller)) == (150, (0, None))


def test_a_page_that_fails_again_and_again_begins_the_window_anew(seller, scripted):
    scripted.orders = some_orders(150)
    scripted.put_in_line("searchOrders", scripted.searchOrders, *[html(503)] * 3)
    pauses = []
    for _ in range(3):
        collect(seller.platform_id)
        pauses.append(seconds_until(seller.platform.next_collect_at))
    assert (seller.platform.next_token, seller.platform.failures) == (None, 3)
    assert pauses[-1] > 30
    collect(seller.platform_id)
    assert (len(seller.inbox()), seller.platform.failures) == (150, 0)


def test_failures_that_say_nothing_of_a_page_token_leave_the_window_where_it_is(seller, scripted):
    scripted.orders = some_orders(150)
    paused = refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
    scripted.put_in_line("searchOrders", scripted.searchOrders, RESET, paused, html(503), RESET, html(503), RESET)
    for _ in range(6):
        collect(seller.platform_id)
        seller.fill_plan("searchOrders", 20)
    for key in redis().scan_iter(f"kontor:amazon:token:platform-{seller.platform_id}:*"):
        redis().delete(key)
    scripted.put_in_line("token", *[html(503)] * 3)
    for _ in range(3):
        collect(seller.platform_id)
    assert (seller.platform.next_token, seller.platform.failures) == ("page-100", 9)
    collect(seller.platform_id)
    assert (len(seller.inbox()), seller.platform.failures, scripted.count("searchOrders")) == (150, 0, 8)


def test_orders_listed_twice_lie_in_the_inbox_once_in_their_newest_version(seller, scripted):
    old = an_order(lastUpdatedTime=ago(30))
    new = an_order(lastUpdatedTime=ago(20), status="SHIPPED")
    scripted.orders = [old, new, old]
    collect(seller.platform_id)
    (row,) = seller.inbox().values()
    assert msgspec.json.decode(row.payload, type=Order).status == Status.SHIPPED


def test_a_poisoned_order_costs_one_order(seller, scripted):
    scripted.orders = [
        *some_orders(99),
        an_order(orderId=order_id(999), orderItems="nonsense", lastUpdatedTime=ago(60)),
        an_order(
            orderId=order_id(998), buyer={"buyerName": "Nul\0l"}, lastUpdatedTime=ago(60), salesChannel={
                "channelName": "AMAZON", "marketplaceId": "A1PA6795UKMFR9", "marketplaceName": "Ama\0zon.de"
            }
        ),
    ]  # fmt: skip
    collect(seller.platform_id)
    rows = seller.inbox()
    assert len(rows) == 101
    assert {row.state for row in rows.values()} == {InboxState.WAITING}
    unreadable = msgspec.json.decode(rows[order_id(999)].payload, type=Order)
    assert unreadable.status == Status.UNREADABLE and "orderItems" in unreadable.problem
    assert msgspec.json.decode(rows[order_id(998)].payload, type=Order).buyer.name == "Null"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "waiting"),
        ({"status": "PENDING"}, "pending"),
        ({"status": "CANCELLED"}, "cancelled"),
        ({"items": [], "grand": "0"}, "pending"),
        ({"salesChannel": {"channelName": "NON_AMAZON", "marketplaceId": "A38D8NSA03LJTC"}}, "filtered"),
        ({"salesChannel": {"channelName": "AMAZON", "marketplaceId": "A13V1IB3VIYZZH"}}, "filtered"),
        ({"salesChannel": {"channelName": "AMAZON", "marketplaceId": "A1F83G8C2ARO7P"}}, "waiting"),
    ],
)
def test_what_becomes_of_an_order_is_decided_when_it_comes(seller, scripted, changes, state):
    scripted.orders = [an_order(lastUpdatedTime=ago(5), **changes)]
    collect(seller.platform_id)
    (row,) = seller.inbox().values()
    assert row.state == state
    assert bool(row.note) == (state == "filtered" or "items" in changes)


def receive(seller, *orders, **options):
    call = CollectedPage(
        account_id=seller.account_id, platform_id=seller.platform_id, operation="t", request_id="", page=1, orders=1
    )
    db.session.add(call)
    db.session.flush()
    received = inbox.receive(seller.platform, orders, call, **options)
    db.session.commit()
    return received


def test_only_a_newer_version_replaces_an_order(seller):
    receive(seller, translated_order(version=2))
    assert receive(seller, translated_order(version=1)).written == 0
    assert receive(seller, translated_order(version=2, currency="GBP")).written == 0
    assert receive(seller, translated_order(version=3)).written == 1


def test_a_person_who_asks_gets_the_same_version_anew(seller):
    receive(seller, translated_order(version=2))
    assert receive(seller, translated_order(version=2), asked_for=True).written == 0
    assert receive(seller, translated_order(version=2, currency="GBP"), asked_for=True).written == 1


def test_an_order_cancelled_before_delivery_is_not_delivered_and_one_after_it_is(seller):
    receive(seller, translated_order("a", 1), translated_order("b", 1))
    row = seller.inbox()["b"]
    row.state, row.delivered_version = InboxState.DELIVERED, row.version
    db.session.commit()
    gone = [translated_order(id, 2, status=Status.CANCELLED) for id in ("a", "b")]
    assert receive(seller, *gone).waiting == 1
    assert {id: row.state.value for id, row in seller.inbox().items()} == {"a": "cancelled", "b": "waiting"}


def test_a_marketplace_added_later_brings_its_orders_in(seller, scripted):
    channel = {"channelName": "AMAZON", "marketplaceId": "A13V1IB3VIYZZH", "marketplaceName": "Amazon.fr"}
    scripted.orders = [an_order(lastUpdatedTime=ago(60), salesChannel=channel)]
    collect(seller.platform_id)
    assert [say(row.note) for row in seller.inbox().values()] == [
        "Sold on Amazon.fr, which is not among the platform's marketplaces."
    ]
    platform = seller.platform
    platform.marketplaces = [*platform.marketplaces, "A13V1IB3VIYZZH"]
    collect_anew(platform)
    db.session.commit()
    collect(seller.platform_id)
    assert [row.state for row in seller.inbox().values()] == [InboxState.WAITING]


def test_a_page_costs_a_constant_number_of_statements(seller, scripted):
    counts = []
    for size in (1, 100):
        scripted.orders = some_orders(size)
        collect_anew(seller.platform)
        db.session.commit()
        statements: list[str] = []
        listen = (db.engine, "before_cursor_execute", lambda *args, seen=statements: seen.append(args[2]))
        event.listen(*listen)
        collect(seller.platform_id)
        event.remove(*listen)
        counts.append(len(statements))
    assert counts[0] == counts[1] < 25


def test_an_order_without_articles_is_read_again_until_it_has_some(seller, scripted):
    scripted.orders = [an_order(lastUpdatedTime=ago(60), items=[], grand="19.99")]
    collect(seller.platform_id)
    (row,) = seller.inbox().values()
    assert (row.state, row.note) == (InboxState.PENDING, inbox.NO_ARTICLES)
    scripted.orders = [an_order(lastUpdatedTime=scripted.orders[0]["lastUpdatedTime"], items=[an_item()])]
    collect(seller.platform_id)
    (row,) = seller.inbox().values()
    assert row.state == InboxState.WAITING
    asked = scripted.count("getOrder")
    collect(seller.platform_id)
    assert scripted.count("getOrder") == asked == 2


def test_a_single_order_can_be_asked_for(seller, scripted):
    scripted.orders = [an_order(lastUpdatedTime=ago(10_000_000 / 60))]
    row = refetch(seller.platform, "028-1234567-1234567")
    assert row is not None and row.state == InboxState.WAITING
    call = db.session.get_one(CollectedPage, row.collection_id)
    assert call.operation == "getOrder" and call.request_id.startswith("request-")
    assert refetch(seller.platform, "028-0000000-0000000") is None


def test_revoked_consent_ends_the_connection_in_words_and_is_told(make_seller, scripted):
    seller = make_seller(webhook=True)
    scripted.put_in_line("token", Reply(400, {"error": "invalid_grant"}))
    collect(seller.platform_id)
    platform = seller.platform
    assert (platform.connection, platform.next_collect_at) == (ConnectionState.REVOKED, None)
    assert f"Noticed on {datetime.now(UTC):%b %-d, %Y}" in say(platform.connection_problem)
    assert [row.kind for row in db.session.scalars(db.select(CloudEvent))] == ["connection.changed"]
    collect(seller.platform_id)
    assert scripted.count("token") == 1


def test_a_consent_renewed_while_the_old_one_is_refused_stays(seller, scripted, app):
    from portal.scope import account

    def meanwhile(call):
        with app.app_context(), account(seller.account_id):
            seller.platform.authorized_at = datetime.now(UTC)
            db.session.commit()
        return Reply(400, {"error": "invalid_grant"})

    scripted.put_in_line("token", meanwhile)
    collect(seller.platform_id)
    assert (seller.platform.connection, seller.platform.connection_problem) == (ConnectionState.AUTHENTICATED, None)
    scripted.put_in_line("token", Reply(400, {"error": "invalid_grant"}))
    collect(seller.platform_id)
    assert seller.platform.connection == ConnectionState.REVOKED


def test_a_wrong_secret_of_ours_does_not_end_the_connection(seller, scripted):
    scripted.put_in_line("token", Reply(401, {"error": "invalid_client"}))
    collect(seller.platform_id)
    assert seller.platform.connection == ConnectionState.AUTHENTICATED
    assert "client secret" in failed(seller)[1]


def test_a_platform_that_is_off_is_left_alone(make_seller, scripted):
    collect(make_seller(active=False).platform_id)
    collect(make_seller(connection=ConnectionState.NOT_AUTHENTICATED).platform_id)
    assert scripted.calls == []


def test_a_platform_disconnected_during_the_call_receives_nothing(seller, scripted, app):
    scripted.orders = some_orders(3)

    def meanwhile(call):
        with app.app_context():
            from portal.scope import account

            with account(seller.account_id):
                seller.platform.connection = ConnectionState.NOT_AUTHENTICATED
                db.session.commit()
        return scripted.searchOrders(call)

    scripted.put_in_line("searchOrders", meanwhile)
    collect(seller.platform_id)
    assert seller.inbox() == {}


def test_orders_that_wait_are_told_once_until_that_is_being_delivered(make_seller, scripted):
    seller = make_seller(webhook=True)
    scripted.orders = some_orders(250)
    collect(seller.platform_id)
    events = db.session.scalars(db.select(CloudEvent)).all()
    assert [(row.kind, row.body["platform"]) for row in events] == [("orders.waiting", seller.platform.reference)]
    events[0].attempts = 1  # on its way: what comes now needs another
    scripted.orders = some_orders(1, minutes=1, status="SHIPPED")
    collect(seller.platform_id)
    assert db.session.scalar(db.select(db.func.count()).select_from(CloudEvent)) == 2


def test_two_collectors_at_once_do_the_work_of_one(seller, scripted, app):
    from portal.scope import account

    scripted.orders = some_orders(250)
    seller.platform  # noqa: B018
    db.session.commit()

    gone = threading.Semaphore(0)

    def work() -> None:
        with app.app_context(), account(seller.account_id):
            collect(seller.platform_id)
        gone.release()

    def slowly(call):  # until the other has seen that somebody is at it
        assert gone.acquire(timeout=SECONDS)
        return scripted.searchOrders(call)

    scripted.put_in_line("searchOrders", slowly)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert (len(seller.inbox()), scripted.count("searchOrders")) == (250, 3)


def test_a_collector_killed_in_the_middle_is_replaced_at_once_and_nothing_is_lost(app, seller, scripted):
    scripted.orders = some_orders(250)
    begun, over = threading.Event(), threading.Event()

    def hang(call):
        begun.set()
        over.wait(SECONDS)
        return RESET

    scripted.put_in_line("searchOrders", scripted.searchOrders, hang)
    db.session.commit()
    worker = in_another_process(app, collect_orders, seller.account_id, seller.platform_id)
    assert begun.wait(SECONDS)
    worker.kill()
    worker.join()
    over.set()
    until_free(Lock.COLLECTOR, seller.platform_id)
    collect(seller.platform_id)
    assert (len(seller.inbox()), seller.platform.next_token) == (250, None)
    pages = db.session.scalars(db.select(CollectedPage.page).order_by(CollectedPage.id)).all()
    assert pages == [1, 2, 3]


def test_a_long_backlog_is_done_in_several_jobs(seller, scripted, monkeypatch):
    monkeypatch.setattr(collection, "LONGEST_SECONDS", 0)
    scripted.orders = some_orders(250)
    collect(seller.platform_id)
    assert len(seller.inbox()) == 100
    assert seconds_until(seller.platform.next_collect_at) <= 0
