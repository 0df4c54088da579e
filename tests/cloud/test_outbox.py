"""Shipments reach the marketplace once each, events reach the account, and doubt is resolved by reading."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from jobs.outbox import send_message
from portal.cloud import events, outbox
from portal.cloud.collection import collect
from portal.cloud.connectors import PackageItem, Shipment, connector_for
from portal.cloud.events import deliver_event, emit, signature
from portal.cloud.models import CloudEvent, CloudPlatform, StatusMessage
from portal.errors import Refused
from portal.extensions import db
from portal.locks import Lock
from portal.sentences import say
from tests.cloud.amazon_orders import an_order
from tests.cloud.conftest import in_another_process, until_free
from tests.cloud.scripted import RESET, Reply, ago, html, refusal
from tests.patience import SECONDS

ORDER = "028-1234567-1234567"
SHIPPED = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def a_shipment(**changes) -> Shipment:
    values = {
        "order_id": ORDER,
        "package_reference": "1",
        "carrier_code": "DHL",
        "tracking_number": "00340434",
        "shipped_at": SHIPPED,
        "items": [PackageItem("79039765270001", 1)],
    }
    return Shipment(**{**values, **changes})


@pytest.fixture
def submit(make_seller, scripted) -> Callable[..., int]:
    """Submit a shipment of an order that was collected; answers the message's id."""
    seller = make_seller(webhook=True)
    scripted.orders = [an_order(lastUpdatedTime=ago(60))]
    collect(seller.platform_id)
    scripted.calls.clear()
    for row in db.session.scalars(db.select(CloudEvent)):
        db.session.delete(row)
    db.session.commit()

    def submit(**changes) -> int:
        row, _new = outbox.submit(seller.platform, "key-1", a_shipment(**changes))
        db.session.commit()
        return row.id

    return submit


def message(id: int) -> StatusMessage:
    return db.session.get_one(StatusMessage, id, populate_existing=True)


def state(id: int) -> tuple[str, str | None]:
    row = message(id)
    return row.state.value, row.problem and say(row.problem)


def told() -> list[str]:
    return [row.kind for row in db.session.scalars(db.select(CloudEvent).order_by(CloudEvent.id))]


def seconds_until(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - datetime.now(UTC)).total_seconds()


def test_a_shipment_is_sent_and_confirmed_when_it_shows(submit, scripted):
    id = submit()
    outbox.send(id)
    assert state(id) == ("sent", None)
    assert 1 < seconds_until(message(id).next_try_at) <= 3
    assert scripted.of("confirmShipment")[0].json["marketplaceId"] == "A1PA6795UKMFR9"
    outbox.send(id)
    assert state(id) == ("confirmed", None)
    assert (message(id).next_try_at, scripted.count("confirmShipment")) == (None, 1)
    assert told() == ["status_message.changed"] * 2
    outbox.send(id)
    assert scripted.count("getOrder") == 1


def test_the_same_key_is_the_same_message_and_other_contents_are_refused(submit, scripted):
    id = submit()
    platform = message(id).platform_id
    assert submit() == id
    with pytest.raises(outbox.Conflict):
        submit(tracking_number="other")
    assert message(id).platform_id == platform


def test_an_order_that_was_never_collected_cannot_be_reported(submit):
    with pytest.raises(outbox.OrderNotKnown):
        submit(order_id="028-0000000-0000000")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fulfillment": {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON"}}, "ships this order itself"),
        ({"programs": ["FBM_SHIP_PLUS"]}, "FBM Ship"),
        ({"status": "CANCELLED"}, "was cancelled"),
    ],
)
def test_orders_that_amazon_takes_no_word_on_are_refused_at_once(make_seller, scripted, changes, words):
    seller = make_seller()
    scripted.orders = [an_order(lastUpdatedTime=ago(60), **changes)]
    collect(seller.platform_id)
    with pytest.raises(Refused, match=words):
        outbox.submit(seller.platform, "key", a_shipment())


def carried_out_then(scripted, reply: Reply) -> Callable[..., Reply]:
    def answer(call):
        scripted.carry_out(call)
        return reply

    return answer


@pytest.mark.parametrize("reply", [RESET, html(503), Reply(200, b"{", content_length=40)], ids=["reset", "503", "cut"])
def test_a_confirmation_that_arrived_without_an_answer_is_not_sent_again(submit, scripted, reply):
    id = submit()
    scripted.put_in_line("confirmShipment", carried_out_then(scripted, reply))
    outbox.send(id)
    assert state(id)[0] == "queued" and message(id).tried_at is not None
    assert seconds_until(message(id).next_try_at) > 20
    outbox.send(id)
    assert (state(id), scripted.count("confirmShipment")) == (("confirmed", None), 1)


@pytest.mark.parametrize("reply", [RESET, html(503)], ids=["reset", "503"])
def test_a_confirmation_that_did_not_arrive_is_sent_again_after_a_look(submit, scripted, reply):
    id = submit()
    scripted.put_in_line("confirmShipment", reply)
    outbox.send(id)
    outbox.send(id)
    assert (state(id)[0], scripted.count("confirmShipment"), scripted.count("getOrder")) == ("sent", 2, 1)
    references = {call.json["packageDetail"]["packageReferenceId"] for call in scripted.of("confirmShipment")}
    assert references == {"1"}


def test_while_the_look_fails_nothing_is_sent(submit, scripted):
    id = submit()
    scripted.put_in_line("confirmShipment", RESET)
    scripted.put_in_line("getOrder", html(503), html(503), html(503))
    outbox.send(id)
    outbox.send(id)
    assert (state(id)[0], scripted.count("confirmShipment")) == ("queued", 1)


def test_a_plan_used_up_is_no_attempt_in_doubt(submit, scripted):
    id = submit()
    busy = refusal(429, "QuotaExceeded", "You exceeded your quota.")
    scripted.put_in_line("confirmShipment", busy, busy, busy)
    outbox.send(id)
    assert state(id)[0] == "queued" and message(id).tried_at is None
    outbox.send(id)
    assert (state(id)[0], scripted.count("getOrder")) == ("sent", 0)


def test_a_refusal_fails_in_words_and_a_corrected_retry_goes_through(submit, scripted):
    id = submit(carrier_code="Brieftaube")
    scripted.put_in_line("confirmShipment", refusal(400, "InvalidInput", "The carrierCode is not accepted"))
    outbox.send(id)
    assert state(id)[0] == "failed" and "mapping of the carrier" in state(id)[1]
    assert told() == ["status_message.changed"]
    with pytest.raises(outbox.Conflict):
        outbox.retry(message(id), a_shipment(package_reference="2"))
    outbox.retry(message(id), a_shipment(carrier_code="DHL"))
    db.session.commit()
    assert state(id) == ("queued", None)
    outbox.send(id)
    assert state(id)[0] == "sent"
    detail = scripted.of("confirmShipment")[-1].json["packageDetail"]
    assert (detail["carrierCode"], detail["packageReferenceId"]) == ("DHL", "1")


def test_only_a_failed_message_is_retried(submit, scripted):
    id = submit()
    outbox.send(id)
    outbox.retry(message(id))
    db.session.commit()
    assert state(id)[0] == "sent"


NOT_FOUND = refusal(400, "InvalidInput", "order already fulfilled ... errorMetric=PackageToUpdateNotFound")


def test_nothing_left_to_ship_is_confirmed_if_our_package_is_there(submit, scripted):
    id = submit()
    scripted.packages[ORDER] = [{"packageReferenceId": "9", "trackingNumber": "0034 0434"}]
    scripted.put_in_line("confirmShipment", NOT_FOUND)
    outbox.send(id)
    assert state(id) == ("confirmed", None)


def test_nothing_left_to_ship_fails_if_it_is_not(submit, scripted):
    id = submit()
    scripted.put_in_line("confirmShipment", NOT_FOUND)
    outbox.send(id)
    assert state(id)[0] == "failed" and "elsewhere" in state(id)[1]


def test_nothing_left_to_ship_after_an_attempt_in_doubt_is_looked_for_until_it_shows(submit, scripted):
    """504, but carried out: the package is not shown yet when the repeat is refused for it."""
    id = submit()
    scripted.put_in_line("confirmShipment", html(504), NOT_FOUND)
    outbox.send(id)
    outbox.send(id)
    assert state(id) == ("sent", None)
    scripted.packages[ORDER] = [{"packageReferenceId": "1", "trackingNumber": "00340434"}]
    outbox.send(id)
    assert (state(id), scripted.count("confirmShipment")) == (("confirmed", None), 2)


def test_nothing_left_to_ship_after_an_attempt_in_doubt_fails_where_it_never_shows(submit, scripted):
    id = submit()
    scripted.put_in_line("confirmShipment", html(504), NOT_FOUND)
    outbox.send(id)
    outbox.send(id)
    outbox.send(id)
    assert (state(id), message(id).sent_at) == (("sent", None), None)
    message(id).tried_at = datetime.now(UTC) - timedelta(hours=25)
    db.session.commit()
    outbox.send(id)
    assert state(id)[0] == "failed" and "elsewhere" in state(id)[1] and "accepted" not in state(id)[1]


@pytest.mark.parametrize("look", [html(503), refusal(400, "InvalidInput", "no")], ids=["failed", "refused"])
def test_a_look_that_tells_nothing_leaves_a_refusal_what_it_is(submit, scripted, look):
    id = submit()
    scripted.put_in_line("confirmShipment", NOT_FOUND)
    scripted.put_in_line("getOrder", look, look, look)
    outbox.send(id)
    scripted.in_line.clear()
    assert (state(id)[0], message(id).tried_at) == ("queued", None)
    scripted.put_in_line("confirmShipment", NOT_FOUND)
    outbox.send(id)
    assert state(id)[0] == "failed" and "elsewhere" in state(id)[1]


def test_pauses_grow_while_the_look_at_an_attempt_in_doubt_fails(submit, scripted):
    id = submit()
    scripted.put_in_line("confirmShipment", RESET)
    outbox.send(id)
    pauses = []
    for _ in range(4):
        scripted.put_in_line("getOrder", html(503), html(503), html(503))
        outbox.send(id)
        pauses.append(seconds_until(message(id).next_try_at))
    assert message(id).attempts == 5 and pauses[-1] > 100 and scripted.count("confirmShipment") == 1


def test_a_package_that_never_shows_has_failed_after_a_day_and_is_looked_for_before_it_is_told_again(submit, scripted):
    id = submit()
    scripted.put_in_line("confirmShipment", Reply(204))
    outbox.send(id)
    outbox.send(id)
    assert state(id) == ("sent", None)
    row = message(id)
    row.sent_at = datetime.now(UTC) - timedelta(hours=10)
    db.session.commit()
    outbox.send(id)
    assert seconds_until(message(id).next_try_at) > 3500
    row = message(id)
    row.sent_at = datetime.now(UTC) - timedelta(hours=25)
    db.session.commit()
    outbox.send(id)
    assert state(id)[0] == "failed" and "24 hours" in state(id)[1]
    assert (message(id).next_try_at, scripted.count("confirmShipment")) == (None, 1)
    row = message(id)
    scripted.packages[row.order_id] = [{"packageReferenceId": "1", "trackingNumber": row.body["tracking_number"]}]
    outbox.retry(row)
    db.session.commit()
    outbox.send(id)
    assert (state(id)[0], scripted.count("confirmShipment")) == ("confirmed", 1)


def test_pauses_grow_and_after_a_day_of_attempts_it_is_given_up(submit, scripted):
    id = submit()
    scripted.put_in_line("confirmShipment", *[html(503)] * 3)
    outbox.send(id)
    first = seconds_until(message(id).next_try_at)
    row = message(id)
    row.attempts = 10
    db.session.commit()
    outbox.send(id)
    assert seconds_until(message(id).next_try_at) > 2500 > first
    row = message(id)
    row.attempts = outbox.MOST_ATTEMPTS - 1
    db.session.commit()
    outbox.send(id)
    assert state(id)[0] == "failed" and state(id)[1].startswith("Given up after 32 attempts: Amazon's server")


def test_without_a_connection_messages_wait(submit, scripted):
    id = submit()
    scripted.put_in_line("token", Reply(400, {"error": "invalid_grant"}))
    from portal.extensions import redis

    for key in redis().scan_iter("kontor:amazon:token:*"):
        redis().delete(key)
    outbox.send(id)
    assert state(id)[0] == "queued" and "no longer lets Kontor speak" in state(id)[1]
    assert told() == ["connection.changed"]
    outbox.send(id)
    assert scripted.count("confirmShipment") == 0
    assert seconds_until(message(id).next_try_at) > 500


def test_two_senders_at_once_send_once(submit, scripted, app):
    from portal.scope import account

    id = submit()
    account_id = message(id).account_id
    db.session.commit()

    gone = threading.Semaphore(0)

    def slowly(call):  # until the others have seen that somebody is at it
        assert all(gone.acquire(timeout=SECONDS) for _ in range(2))
        return scripted.confirmShipment(call)

    def work() -> None:
        with app.app_context(), account(account_id):
            outbox.send(id)
        gone.release()

    scripted.put_in_line("confirmShipment", slowly)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert (state(id)[0], scripted.count("confirmShipment")) == ("sent", 1)


def test_a_sender_killed_after_the_work_was_done_does_not_repeat_it(app, submit, scripted):
    id = submit()
    begun, over = threading.Event(), threading.Event()

    def hang(call):
        scripted.carry_out(call)
        begun.set()
        over.wait(SECONDS)
        return RESET

    scripted.put_in_line("confirmShipment", hang)
    account_id = message(id).account_id
    db.session.commit()
    worker = in_another_process(app, send_message, account_id, id)
    assert begun.wait(SECONDS)
    worker.kill()
    worker.join()
    over.set()
    until_free(Lock.MESSAGE, id)
    outbox.send(id)
    assert (state(id), scripted.count("confirmShipment")) == (("confirmed", None), 1)


def test_a_refused_look_at_a_doubtful_attempt_is_no_refused_report(submit, scripted):
    def lose(call):
        scripted.carry_out(call)
        return RESET

    id = submit()
    scripted.put_in_line("confirmShipment", lose)
    outbox.send(id)
    denied = refusal(403, "Unauthorized", "denied")
    scripted.put_in_line("getOrder", denied, denied)  # a first one may be the token's fault
    outbox.send(id)
    assert (state(id)[0], message(id).attempts) == ("queued", 2)
    outbox.send(id)
    assert (state(id), scripted.count("confirmShipment")) == (("confirmed", None), 1)


def test_a_call_that_the_plan_did_not_allow_is_no_attempt_and_ends_no_doubt(submit, scripted):
    id = submit()
    scripted.put_in_line("confirmShipment", RESET)
    outbox.send(id)
    doubt = message(id).tried_at
    plans = connector_for(db.session.get_one(CloudPlatform, message(id).platform_id)).plans
    plans.take_up("confirmShipment", "0.001")
    plans.drain("confirmShipment")
    for _ in range(3):
        outbox.send(id)
    assert (state(id)[0], message(id).attempts, message(id).tried_at) == ("queued", 1, doubt)
    assert scripted.count("confirmShipment") == 1


# Events


def the_event() -> CloudEvent:
    return db.session.scalars(db.select(CloudEvent).execution_options(populate_existing=True)).one()


def test_an_event_is_signed_and_delivered_once(make_seller, scripted):
    seller = make_seller(webhook=True)
    emit(events.STATUS_MESSAGE_CHANGED, seller.platform, "key-7")
    db.session.commit()
    deliver_event(the_event().id)
    (call,) = scripted.events
    body = msgspec.json.decode(call.body)
    assert (body["kind"], body["platform"], body["key"]) == (
        "status_message.changed",
        seller.platform.reference,
        "key-7",
    )
    assert {"id", "at"} <= set(body)
    signed_at = int(call.headers["Kontor-Signature"].split(",")[0].removeprefix("t="))
    assert call.headers["Kontor-Signature"] == signature("a webhook's secret", call.body, signed_at)
    deliver_event(the_event().id)
    assert len(scripted.events) == 1 and the_event().delivered_at is not None


def test_an_event_is_repeated_ever_later_and_given_up_after_three_days(make_seller, scripted):
    seller = make_seller(webhook=True)
    emit(events.CONNECTION_CHANGED, seller.platform)
    db.session.commit()
    scripted.put_in_line("webhook", *[Reply(500)] * 2, RESET)
    pauses = []
    for _ in range(2):
        deliver_event(the_event().id)
        pauses.append(seconds_until(the_event().next_try_at))
    assert 7 < pauses[0] < 13 and 15 < pauses[1] < 25
    row = the_event()
    row.created_at = datetime.now(UTC) - timedelta(days=4)
    db.session.commit()
    deliver_event(row.id)
    assert (the_event().next_try_at, the_event().delivered_at, the_event().attempts) == (None, None, 3)


def test_an_account_without_an_address_is_not_called(seller):
    emit(events.CONNECTION_CHANGED, seller.platform)
    db.session.commit()
    assert told() == []


def test_of_waiting_orders_the_newest_word_replaces_those_that_failed(make_seller, scripted):
    seller = make_seller(webhook=True)
    scripted.put_in_line("webhook", Reply(500))
    emit(events.ORDERS_WAITING, seller.platform)
    db.session.commit()
    first = the_event().id
    deliver_event(first)
    emit(events.ORDERS_WAITING, seller.platform)
    db.session.commit()
    deliver_event(first)
    assert len(scripted.events) == 0
    deliver_event(the_event().id)
    assert len(scripted.events) == 1
