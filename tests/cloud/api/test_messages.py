"""Status messages: one a key, whatever happens to the call; followed, corrected, sent again."""

from __future__ import annotations

import threading

import pytest

from jobs.queues import WORK, Job, lost
from portal.cloud import outbox
from portal.cloud.models import OutboxState, StatusMessage
from portal.extensions import db
from portal.order import Status
from tests.cloud.api.caller import ORDER, a_package, an_order, is_problem

KEY = "shipment-4711"


@pytest.fixture
def platform(caller) -> str:
    reference = caller.connected()
    caller.receive(reference, an_order())
    return reference


def submit(caller, reference: str, body=None, key: str | None = KEY):
    headers = {} if key is None else {"Idempotency-Key": key}
    return caller.post(f"/v1/platforms/{reference}/status-messages", body or a_package(), headers=headers)


def fail(caller, key: str = KEY) -> None:
    """As if the marketplace had refused the message."""
    with caller.rows():
        row = outbox.find(key)
        row.state, row.problem, row.attempts, row.next_try_at = OutboxState.FAILED, "No such carrier.", 3, None


def body_of(caller, key: str = KEY) -> dict:
    with caller.rows():
        return outbox.find(key).body


def test_a_message_is_taken_in_and_queued(caller, platform):
    answer = submit(caller, platform)
    assert answer.status_code == 201, answer.text
    assert answer.json == {
        "key": KEY,
        "order_id": ORDER,
        "state": "queued",
        "problem": None,
        "problem_source": None,
        "attempts": 0,
        "sent_at": None,
        "confirmed_at": None,
    }
    with caller.rows():
        id = outbox.find(KEY).id
        assert lost([(Job("jobs.outbox.send_message", (caller.account_id, id)), WORK)]) == [False]


def test_what_is_kept_is_what_was_sent(caller, platform):
    submit(caller, platform, a_package(carrier_name="DHL Paket", shipping_method="Express"))
    kept = body_of(caller)
    assert (kept["carrier_name"], kept["shipping_method"], kept["tracking_number"]) == (
        "DHL Paket",
        "Express",
        "00340434161094000001",
    )
    assert kept["items"] == [{"reference": "79039765270001", "quantity": 1}]
    assert kept["marketplace"] == "A1PA6795UKMFR9"  # the order's, nobody has to tell it


def test_the_same_again_is_the_same_message(caller, platform):
    first, again = submit(caller, platform), submit(caller, platform)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    with caller.rows():
        assert len(db.session.scalars(db.select(StatusMessage)).all()) == 1


def test_the_same_said_in_another_order_and_zone_is_the_same(caller, platform):
    submit(caller, platform)
    other = dict(reversed(a_package(shipped_at="2026-11-02T10:30:00+01:00", carrier_name="").items()))
    assert submit(caller, platform, other).status_code == 200


def test_the_same_again_tells_how_far_it_is_by_now(caller, platform):
    submit(caller, platform)
    fail(caller)
    assert submit(caller, platform).json["state"] == "failed"


@pytest.mark.parametrize(
    "change",
    [
        {"tracking_number": "other"},
        {"package_reference": "2"},
        {"shipped_at": "2026-11-02T09:30:01Z"},
        {"items": [{"reference": "79039765270001", "quantity": 2}]},
        {"carrier_name": "DHL"},
        {"order_id": "028-0000000-0000000"},
    ],
)
def test_the_key_with_another_body_is_refused(caller, platform, change):
    submit(caller, platform)
    is_problem(submit(caller, platform, a_package(**change)), 409)
    assert body_of(caller)["tracking_number"] == "00340434161094000001"


def test_the_key_on_another_platform_is_refused(caller, platform):
    submit(caller, platform)
    another = caller.connected("Another")
    caller.receive(another, an_order())
    is_problem(submit(caller, another), 409)


def test_keys_are_each_accounts_own(caller, stranger, platform):
    submit(caller, platform)
    reference = stranger.connected()
    stranger.receive(reference, an_order())
    assert submit(stranger, reference, a_package(tracking_number="other")).status_code == 201
    assert body_of(caller)["tracking_number"] == "00340434161094000001"


def test_of_many_at_once_under_one_key_one_is_made(caller, app, platform):
    assert caller.token
    statuses = []

    def send() -> None:
        headers = {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": KEY}
        path = f"/cloud/v1/platforms/{platform}/status-messages"
        statuses.append(app.test_client().post(path, json=a_package(), headers=headers).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 200, 200, 200, 201]


@pytest.mark.parametrize("key", [None, "", " ", "-a", "a b", "a/b", "ä", "x" * 101, "a\0b"])
def test_without_a_key_that_is_one_nothing_is_taken(caller, platform, key):
    is_problem(submit(caller, platform, key=key), 422, "Idempotency-Key")
    with caller.rows():
        assert db.session.scalars(db.select(StatusMessage)).all() == []


@pytest.mark.parametrize("key", ["x" * 100, "0", "urn:uuid:9b2f~1.a_b-c"])
def test_keys_that_are_ones(caller, platform, key):
    assert submit(caller, platform, key=key).status_code == 201
    assert caller.get(f"/v1/status-messages/{key}").json["key"] == key


def test_an_order_never_seen_cannot_be_reported(caller, platform):
    problem = is_problem(submit(caller, platform, a_package(order_id="028-0000000-0000000")), 409)
    assert "not known" in problem["detail"]


@pytest.mark.parametrize(
    ("changes", "words"), [({"status": Status.CANCELLED}, "cancelled"), ({"fulfilled_by": "marketplace"}, "itself")]
)
def test_an_order_that_no_package_is_due_for(caller, changes, words):
    reference = caller.connected()
    caller.receive(reference, an_order(**changes))
    assert words in is_problem(submit(caller, reference), 409)["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order_id": ""}, "order_id"),
        ({"order_id": "a\0b"}, "order_id"),
        ({"package_reference": "0"}, "package_reference"),
        ({"package_reference": "1a"}, "package_reference"),
        ({"package_reference": "1234567890"}, "package_reference"),
        ({"package_reference": 1}, "package_reference"),
        ({"carrier_code": " "}, "carrier_code"),
        ({"carrier_code": "x" * 101}, "carrier_code"),
        ({"tracking_number": "1\0"}, "tracking_number"),
        ({"tracking_number": None}, "tracking_number"),
        ({"carrier_name": "a\0"}, "carrier_name"),
        ({"shipping_method": "a\nb"}, "shipping_method"),
        ({"shipped_at": "2026-11-02"}, "shipped_at"),
        ({"shipped_at": "2026-11-02T09:30:00"}, "shipped_at"),
        ({"shipped_at": "0001-01-01T00:00:00+14:00"}, "shipped_at"),
        ({"items": []}, "items"),
        ({"items": [{"reference": "1", "quantity": 0}]}, "items[0].quantity"),
        ({"items": [{"reference": "1", "quantity": 1.5}]}, "items[0].quantity"),
        ({"items": [{"reference": "1", "quantity": 10**30}]}, "items[0].quantity"),
        ({"items": [{"reference": "1\0", "quantity": 1}]}, "items[0].reference"),
        ({"items": [{"reference": "1"}]}, "items[0].quantity"),
        ({"items": [{"reference": "1", "quantity": 1}] * 1001}, "items"),
        ({"marketplace": "A1PA6795UKMFR9"}, "marketplace"),
    ],
)
def test_what_is_not_accepted_is_named(caller, platform, change, field):
    is_problem(submit(caller, platform, a_package(**change)), 422, field)


def test_a_message_is_looked_up(caller, platform):
    made = submit(caller, platform)
    assert caller.get(f"/v1/status-messages/{KEY}").json == made.json


@pytest.mark.parametrize("key", ["nobodys", "x" * 101, "%00", "%FF", "a%20b"])
def test_a_key_that_is_nobodys(caller, platform, key):
    is_problem(caller.get(f"/v1/status-messages/{key}"), 404)
    is_problem(caller.post(f"/v1/status-messages/{key}/retry"), 404)


def test_a_stranger_sees_no_message_and_retries_none(caller, stranger, platform):
    submit(caller, platform)
    fail(caller)
    is_problem(stranger.get(f"/v1/status-messages/{KEY}"), 404)
    is_problem(stranger.post(f"/v1/status-messages/{KEY}/retry"), 404)
    assert caller.get(f"/v1/status-messages/{KEY}").json["state"] == "failed"


def test_a_failed_message_tells_why_and_is_sent_again(caller, platform):
    submit(caller, platform)
    fail(caller)
    told = caller.get(f"/v1/status-messages/{KEY}").json
    assert (told["state"], told["problem"], told["attempts"]) == ("failed", "No such carrier.", 3)
    answer = caller.post(f"/v1/status-messages/{KEY}/retry")
    assert answer.status_code == 202, answer.text
    assert (answer.json["state"], answer.json["problem"], answer.json["attempts"]) == ("queued", None, 0)
    assert caller.get(f"/v1/status-messages/{KEY}").json == answer.json


def test_a_retry_may_carry_a_correction(caller, platform):
    submit(caller, platform)
    fail(caller)
    answer = caller.post(f"/v1/status-messages/{KEY}/retry", a_package(carrier_code="GLS"))
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    kept = body_of(caller)
    assert (kept["carrier_code"], kept["marketplace"]) == ("GLS", "A1PA6795UKMFR9")


@pytest.mark.parametrize("change", [{"package_reference": "2"}, {"order_id": "028-0000000-0000000"}])
def test_a_correction_is_of_the_same_package(caller, platform, change):
    submit(caller, platform)
    fail(caller)
    is_problem(caller.post(f"/v1/status-messages/{KEY}/retry", a_package(**change)), 409)
    assert caller.get(f"/v1/status-messages/{KEY}").json["state"] == "failed"


def test_a_correction_is_checked_like_the_message(caller, platform):
    submit(caller, platform)
    fail(caller)
    is_problem(caller.post(f"/v1/status-messages/{KEY}/retry", a_package(items=[])), 422, "items")


def test_a_message_that_has_not_failed_stays_as_it_is(caller, platform):
    submit(caller, platform)
    answer = caller.post(f"/v1/status-messages/{KEY}/retry", a_package(carrier_code="GLS"))
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    assert body_of(caller)["carrier_code"] == "DHL"
