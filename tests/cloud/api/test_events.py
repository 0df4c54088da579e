"""Events: an account's address is called, signed, until it answers; and the portal's own address answers right."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sqlalchemy import text

from jobs.outbox import deliver_event, send_message
from jobs.queues import WORK, Job, lost
from portal import secrets
from portal.automation.models import Run
from portal.cloud import events, outbox
from portal.cloud.collection import collect
from portal.cloud.events import CONNECTION_CHANGED, ORDERS_WAITING, STATUS_MESSAGE_CHANGED, emit, signature
from portal.cloud.models import CloudEvent, ConnectionState
from portal.credentials.models import Credential
from portal.credentials.service import register_webhook
from portal.extensions import db, redis
from portal.platforms import service as platforms
from portal.platforms.models import Connection, Platform
from tests.cloud.api.caller import DE, Caller, a_package, row_of
from tests.cloud.api.receiver import Receiver, receiving
from tests.patience import SECONDS

SECRET = "a webhook's secret".replace(" ", "-")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def platform(caller, receiver) -> str:
    assert caller.put("/v1/webhook", {"url": receiver.url, "secret": SECRET}).status_code == 204
    return caller.connected()


def tell(caller: Caller, reference: str, kind: str = CONNECTION_CHANGED, key: str | None = None) -> None:
    with caller.rows():
        emit(kind, row_of(reference), key)


def rows(caller: Caller) -> list[dict]:
    columns = ("id", "kind", "body", "attempts", "next_try_at", "delivered_at")
    with caller.rows():
        found = db.session.scalars(db.select(CloudEvent).order_by(CloudEvent.id))
        return [{column: getattr(row, column) for column in columns} for row in found]


def deliver(caller: Caller) -> None:
    """Run the job of each event there is, as a worker would."""
    for row in rows(caller):
        with caller.app.app_context():
            deliver_event(caller.account_id, row["id"])


def pause(row: dict) -> float:
    return (row["next_try_at"] - datetime.now(UTC)).total_seconds()


# Calling


def test_an_event_says_what_happened_and_is_signed(caller, platform, receiver):
    tell(caller, platform, STATUS_MESSAGE_CHANGED, "shipment-7")
    deliver(caller)
    (call,) = receiver.calls
    assert (call.path, call.headers["Content-Type"]) == ("/kontor", "application/json")
    assert set(call.json) == {"id", "kind", "platform", "key", "at"}
    assert (call.json["kind"], call.json["platform"], call.json["key"]) == (
        "status_message.changed",
        platform,
        "shipment-7",
    )
    assert datetime.now(UTC) - datetime.fromisoformat(call.json["at"]) < timedelta(minutes=1)
    at, _, given = call.headers["Kontor-Signature"].removeprefix("t=").partition(",v1=")
    # By hand, as a stranger to our code would.
    assert hmac.new(SECRET.encode(), f"{at}.".encode() + call.body, hashlib.sha256).hexdigest() == given
    assert abs(time.time() - int(at)) < 60


def test_an_event_without_a_key_names_none(caller, platform, receiver):
    tell(caller, platform)
    deliver(caller)
    assert set(receiver.calls[0].json) == {"id", "kind", "platform", "at"}


def test_an_event_is_queued_when_it_is_noted(caller, app, platform):
    tell(caller, platform)
    with app.app_context():
        assert lost([(Job("jobs.outbox.deliver_event", (caller.account_id, rows(caller)[0]["id"])), WORK)]) == [False]


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_any_2xx_ends_it(caller, platform, receiver, status):
    receiver.in_line.append(status)
    tell(caller, platform)
    deliver(caller)
    (row,) = rows(caller)
    assert row["delivered_at"] is not None and row["next_try_at"] is None
    deliver(caller)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("reply", [301, 400, 401, 404, 500, 503, None], ids=str)
def test_anything_else_is_tried_again(caller, platform, receiver, reply):
    receiver.in_line.append(reply)
    tell(caller, platform)
    deliver(caller)
    (row,) = rows(caller)
    assert (row["delivered_at"], row["attempts"]) == (None, 1)
    assert 0 < pause(row) <= 12
    deliver(caller)
    assert rows(caller)[0]["delivered_at"] is not None
    first, second = receiver.calls
    assert first.body == second.body  # the id tells the account that it is the same


def test_pauses_grow(caller, platform, receiver):
    receiver.in_line.extend([500] * 12)
    tell(caller, platform)
    pauses = []
    for _ in range(12):
        deliver(caller)
        pauses.append(pause(rows(caller)[0]))
    assert pauses[0] <= 12 and pauses[1] > pauses[0] and pauses[4] > 100
    assert max(pauses) <= events.LONGEST_PAUSE * 1.2


def test_after_three_days_it_is_given_up(caller, platform, receiver):
    receiver.in_line.append(500)
    tell(caller, platform)
    with caller.rows():
        db.session.execute(text("UPDATE cloud_event SET created_at = now() - interval '4 days'"))
    deliver(caller)
    (row,) = rows(caller)
    assert (row["next_try_at"], row["delivered_at"]) == (None, None)
    deliver(caller)
    assert len(receiver.calls) == 1


def test_an_address_nobody_listens_at_is_tried_again(caller, platform):
    caller.put("/v1/webhook", {"url": "http://127.0.0.1:1/", "secret": SECRET})
    tell(caller, platform)
    deliver(caller)
    assert rows(caller)[0]["attempts"] == 1


def test_a_redirect_is_not_followed(caller, platform, receiver):
    with receiving() as elsewhere:
        receiver.in_line.append((307, elsewhere.url))
        tell(caller, platform)
        deliver(caller)
        assert (len(receiver.calls), elsewhere.calls) == (1, [])


def test_what_is_noted_goes_to_the_address_of_the_day(caller, platform, receiver):
    tell(caller, platform)
    with receiving() as moved:
        caller.put("/v1/webhook", {"url": moved.url, "secret": SECRET[::-1]})
        deliver(caller)
        at = int(moved.calls[0].headers["Kontor-Signature"].split(",")[0].removeprefix("t="))
        assert moved.calls[0].headers["Kontor-Signature"] == signature(SECRET[::-1], moved.calls[0].body, at)
    assert receiver.calls == []


def test_without_an_address_nothing_is_noted_or_sent(caller, platform, receiver):
    tell(caller, platform)
    caller.delete("/v1/webhook")
    deliver(caller)
    tell(caller, platform)
    assert (rows(caller), receiver.calls) == ([], [])


def test_the_scheduler_finds_an_event_whose_job_got_lost(caller, app, platform):
    tell(caller, platform)
    with caller.rows():
        db.session.execute(text("UPDATE cloud_event SET next_try_at = now() - interval '1 second'"))
    with app.app_context():
        claimed = db.session.execute(text("SELECT * FROM cloud_claim_events(interval '1 minute', 1000)")).all()
        db.session.commit()
    assert (caller.account_id, rows(caller)[0]["id"]) in [tuple(row) for row in claimed]


def test_once_an_hour_what_is_settled_and_old_is_dropped(caller, app, platform):
    from jobs import scheduler

    def tidy():
        with app.app_context():
            scheduler._tidy()

    settled, fresh, unsettled = (tell(caller, platform) or rows(caller)[-1]["id"] for _ in range(3))
    with caller.rows():
        old = {"old": [settled, unsettled]}
        db.session.execute(text("UPDATE cloud_event SET next_try_at = NULL WHERE id != :id"), {"id": unsettled})
        db.session.execute(
            text("UPDATE cloud_event SET created_at = now() - interval '31 days' WHERE id = ANY(:old)"), old
        )
        db.session.execute(
            text(
                "INSERT INTO cloud_collection "
                "(account_id, platform_id, operation, request_id, page, orders, collected_at) "
                "SELECT account_id, id, 'searchOrders', 'tidied', 1, orders, now() - days * interval '1 day' "
                "FROM cloud_platform, (VALUES (0, 31), (0, 29), (5, 31), (6, 366)) AS call (orders, days) "
                "WHERE reference = :reference"
            ),
            {"reference": platform},
        )
    with app.app_context():
        redis().set("kontor:tidied", 1)
    tidy()
    assert len(rows(caller)) == 3
    with app.app_context():
        redis().delete("kontor:tidied")
    tidy()
    assert [row["id"] for row in rows(caller)] == [fresh, unsettled]
    with caller.rows():
        kept = text("SELECT orders FROM cloud_collection WHERE request_id = 'tidied' ORDER BY 1")
        assert list(db.session.scalars(kept)) == [0, 5]


def test_orders_that_are_done_go_after_a_month_and_what_may_still_be_shipped_stays(caller, app, platform, monkeypatch):
    from jobs import scheduler

    def an_order(id: str, days: int, state: str = "delivered", status: str = "shipped") -> dict[str, object]:
        # What a buyer wrote may hold anything that JSON can say.
        payload = b'{"id":"%s","status":"%s","buyer":{"name":"a\\u0000b \\"unshipped\\""}}'
        return {"id": id, "days": days, "state": state, "payload": payload % (id.encode(), status.encode())}

    gone = [
        an_order("shipped", 31),
        an_order("cancelled", 31, "cancelled", "cancelled"),
        an_order("called off", 31, status="cancelled"),
        an_order("filtered", 31, "filtered", "unshipped"),
        an_order("forgotten", 366, status="unshipped"),
    ]
    stay = [
        an_order("waiting", 400, "waiting"),
        an_order("fresh", 29),
        an_order("open", 31, status="unshipped"),
        an_order("half", 300, status="partly_shipped"),
    ]
    settled = {"state": "confirmed", "days": 31, "confirmed": 31, "tried": 31}
    messages = [
        {**settled, "key": "confirmed"},
        {**settled, "key": "refused", "state": "failed", "confirmed": None, "tried": None},
        {**settled, "key": "recent", "days": 29, "confirmed": 29},
        {**settled, "key": "confirmed late", "confirmed": 1},
        {**settled, "key": "under way", "state": "sent", "confirmed": None},
        {**settled, "key": "in doubt", "state": "failed", "confirmed": None},
    ]
    with caller.rows():
        for row in [*gone, *stay]:
            db.session.execute(
                text(
                    "INSERT INTO cloud_order "
                    "(account_id, platform_id, order_id, version, state, note, payload, collection_id) "
                    "SELECT account_id, id, :id, now() - :days * interval '1 day', :state, '', :payload, 0 "
                    "FROM cloud_platform WHERE reference = :reference"
                ),
                {**row, "reference": platform},
            )
        for row in messages:
            db.session.execute(
                text(
                    "INSERT INTO cloud_status_message "
                    "(account_id, platform_id, key, order_id, body, state, created_at, tried_at, confirmed_at) "
                    "SELECT account_id, id, :key, 'open', '{}', :state, now() - :days * interval '1 day', "
                    "now() - CAST(:tried AS int) * interval '1 day', "
                    "now() - CAST(:confirmed AS int) * interval '1 day' "
                    "FROM cloud_platform WHERE reference = :reference"
                ),
                {**row, "reference": platform},
            )
    monkeypatch.setattr(scheduler, "MOST_DONE", 3)
    with app.app_context():
        redis().delete(scheduler.CLOUD_TIDIED)
        for _ in range(3):  # three of five, then the rest, then it rests for an hour
            scheduler._tidy()
    with caller.rows():
        left = db.session.scalars(text("SELECT order_id FROM cloud_order ORDER BY id")).all()
        assert left == [row["id"] for row in stay]
        keys = db.session.scalars(text("SELECT key FROM cloud_status_message ORDER BY id")).all()
        assert keys == ["recent", "confirmed late", "under way", "in doubt"]


def test_an_order_whose_newer_version_is_just_coming_in_stays(caller, app, platform):
    from jobs import scheduler

    def tidy():
        with app.app_context():
            redis().delete(scheduler.CLOUD_TIDIED)
            scheduler._tidy()

    with caller.rows():
        db.session.execute(
            text(
                "INSERT INTO cloud_order (account_id, platform_id, order_id, version, state, note, payload, "
                "collection_id) SELECT account_id, id, 'o-1', now() - interval '31 days', 'delivered', '', "
                '\'"status":"shipped"\', 0 FROM cloud_platform WHERE reference = :reference'
            ),
            {"reference": platform},
        )
    with caller.rows():
        db.session.execute(text("UPDATE cloud_order SET version = now(), state = 'waiting'"))
        tidying = threading.Thread(target=tidy)  # while that is not committed yet
        tidying.start()
        tidying.join(SECONDS)
        assert not tidying.is_alive()
    with caller.rows():
        assert db.session.scalars(text("SELECT state FROM cloud_order")).all() == ["waiting"]


# Orders that wait


def test_while_one_is_not_tried_there_is_no_second(caller, platform, receiver):
    for _ in range(3):
        tell(caller, platform, ORDERS_WAITING)
    deliver(caller)
    assert [call.json["kind"] for call in receiver.calls] == ["orders.waiting"]


def test_once_it_was_delivered_the_next_is_told(caller, platform, receiver):
    for _ in range(2):
        tell(caller, platform, ORDERS_WAITING)
        deliver(caller)
    assert len(receiver.calls) == 2


def test_each_platform_has_its_own(caller, platform, receiver):
    another = caller.connected("Another")
    for reference in (platform, another, platform, another):
        tell(caller, reference, ORDERS_WAITING)
    deliver(caller)
    assert {call.json["platform"] for call in receiver.calls} == {platform, another}
    assert len(receiver.calls) == 2


def test_a_newer_word_replaces_one_that_failed(caller, platform, receiver):
    receiver.in_line.append(500)
    tell(caller, platform, ORDERS_WAITING)
    deliver(caller)
    tell(caller, platform, ORDERS_WAITING)
    deliver(caller)
    assert len(receiver.calls) == 2
    assert [row["delivered_at"] is not None for row in rows(caller)] == [True]


def test_other_events_are_each_told(caller, platform, receiver):
    for _ in range(2):
        tell(caller, platform, CONNECTION_CHANGED)
    deliver(caller)
    assert len(receiver.calls) == 2


# What makes events


def test_collecting_tells_of_waiting_orders_once(caller, receiver, amazon):
    caller.put("/v1/webhook", {"url": receiver.url, "secret": SECRET})
    seller = amazon.add_seller()
    reference = caller.connected(refresh_token=amazon.authorize(seller), seller_id=seller)
    amazon.place(seller=seller, count=3)
    with caller.rows():
        collect(row_of(reference).id)
    deliver(caller)
    assert [(call.json["kind"], call.json["platform"]) for call in receiver.calls] == [("orders.waiting", reference)]
    assert len(caller.get(f"/v1/platforms/{reference}/orders").json["orders"]) == 3


def test_a_withdrawn_permission_is_told(caller, receiver, amazon):
    caller.put("/v1/webhook", {"url": receiver.url, "secret": SECRET})
    seller = amazon.add_seller()
    reference = caller.connected(refresh_token=amazon.authorize(seller), seller_id=seller)
    amazon.revoke(seller)
    caller.post(f"/v1/platforms/{reference}/orders/028-1234567-1234567/refetch")
    deliver(caller)
    assert [call.json["kind"] for call in receiver.calls] == ["connection.changed"]
    assert caller.get(f"/v1/platforms/{reference}").json["connection"]["state"] == ConnectionState.REVOKED


def test_each_step_of_a_status_message_is_told(caller, receiver, amazon):
    caller.put("/v1/webhook", {"url": receiver.url, "secret": SECRET})
    seller = amazon.add_seller()
    reference = caller.connected(refresh_token=amazon.authorize(seller), seller_id=seller)
    order = amazon.place_one(seller=seller)
    caller.post(f"/v1/platforms/{reference}/orders/{order}/refetch")
    items = [
        {"reference": item["orderItemId"], "quantity": item["quantityOrdered"]}
        for item in amazon.order(order)["orderItems"]
    ]
    path, headers = f"/v1/platforms/{reference}/status-messages", {"Idempotency-Key": "shipment-7"}
    body = a_package(order_id=order, items=items, shipped_at=datetime.now(UTC).isoformat())
    assert caller.post(path, body, headers=headers).status_code == 201
    states = []
    for _ in range(2):
        with caller.rows():
            id = outbox.find("shipment-7").id
        with caller.app.app_context():
            send_message(caller.account_id, id)
        states.append(caller.get("/v1/status-messages/shipment-7").json["state"])
    assert states == ["sent", "confirmed"]
    deliver(caller)
    told = [(call.json["kind"], call.json.get("key")) for call in receiver.calls]
    assert told == [("orders.waiting", None)] + [("status_message.changed", "shipment-7")] * 2


# The portal's own address


@pytest.fixture
def portal(app, make_tenant, as_tenant, live_server):
    """A tenant whose credential has told the cloud its address; its cloud account as a caller."""
    merchant = make_tenant()
    with as_tenant(merchant):
        register_webhook(db.session.get_one(Credential, merchant.credential_id))
        db.session.commit()
    return merchant


@pytest.fixture
def cloud(app, portal) -> Caller:
    return Caller(app, portal.account_id, portal.client_id, portal.client_secret)


@pytest.fixture
def known(cloud, portal, as_tenant) -> str:
    """A platform that portal and cloud both know."""
    reference = cloud.connected()
    with as_tenant(portal):
        credential = db.session.get_one(Credential, portal.credential_id)
        platforms.create_platform(1, "Amazon Deutschland", credential, [DE]).reference = reference
        db.session.commit()
    return reference


def secret_of(portal, as_tenant) -> str:
    with as_tenant(portal):
        row = db.session.get_one(Credential, portal.credential_id)
        return secrets.unseal(row.webhook_secret, row.webhook_place)


def post(live_server: str, credential_id: int, body: bytes, header: str | None) -> int:
    headers = {"Content-Type": "application/json"} | ({"Kontor-Signature": header} if header is not None else {})
    return requests.post(
        f"{live_server}/events/cloud/{credential_id}", data=body, headers=headers, timeout=SECONDS
    ).status_code


def an_event(reference: str, kind: str = ORDERS_WAITING, **more) -> bytes:
    told = {"id": 1, "kind": kind, "platform": reference, "at": datetime.now(UTC).isoformat(), **more}
    return json.dumps(told).encode()


def runs(portal, as_tenant) -> list[str]:
    with as_tenant(portal):
        return list(db.session.scalars(db.select(Run.cause)))


def test_the_portal_told_the_cloud_where_it_is(cloud, portal, live_server):
    assert cloud.get("/v1/webhook").json == {"url": f"{live_server}/events/cloud/{portal.credential_id}"}


def test_waiting_orders_start_a_fetch_at_the_portal(cloud, known, portal, as_tenant):
    tell(cloud, known, ORDERS_WAITING)
    deliver(cloud)
    assert rows(cloud)[0]["delivered_at"] is not None
    assert runs(portal, as_tenant) == ["event"]


def test_a_changed_connection_is_taken_over_by_the_portal(cloud, known, portal, as_tenant):
    tell(cloud, known, CONNECTION_CHANGED)
    deliver(cloud)
    assert rows(cloud)[0]["delivered_at"] is not None
    with as_tenant(portal):
        assert db.session.scalars(db.select(Platform)).one().connection == Connection.AUTHENTICATED


def test_what_the_portal_does_not_know_ends_all_the_same(cloud, known, portal, as_tenant):
    another = cloud.connected("Not in the portal")
    tell(cloud, another, ORDERS_WAITING)
    tell(cloud, known, STATUS_MESSAGE_CHANGED, "nobodys")
    tell(cloud, known, "of.the.future")
    deliver(cloud)
    assert all(row["delivered_at"] for row in rows(cloud))
    assert runs(portal, as_tenant) == []


def test_a_good_signature(known, portal, as_tenant, live_server):
    body = an_event(known)
    header = signature(secret_of(portal, as_tenant), body, int(time.time()))
    assert post(live_server, portal.credential_id, body, header) == 204
    assert runs(portal, as_tenant) == ["event"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header: None,
        lambda header: "",
        lambda header: "nonsense",
        lambda header: header.partition(",")[0],
        lambda header: header.partition(",")[2],
        lambda header: header[:-1] + ("0" if header[-1] != "0" else "1"),
        lambda header: header.replace("v1=", "v0="),
        lambda header: header.replace("t=", "t=1"),
        lambda header: header.replace("t=", "t=-"),
        lambda header: header.replace("t=", "t=\xb2"),
        lambda header: header + "\xe4",
    ],
    ids=["none", "empty", "nonsense", "time", "hash", "one-digit", "version", "later", "minus", "power", "latin"],
)
def test_a_wrong_signature(known, portal, as_tenant, live_server, spoil):
    body = an_event(known)
    header = spoil(signature(secret_of(portal, as_tenant), body, int(time.time())))
    assert post(live_server, portal.credential_id, body, header) == 401
    assert runs(portal, as_tenant) == []


def test_a_signature_of_another_secret(known, portal, as_tenant, live_server):
    body = an_event(known)
    header = signature(random.token_urlsafe(32), body, int(time.time()))
    assert post(live_server, portal.credential_id, body, header) == 401


def test_a_signature_of_another_body(known, portal, as_tenant, live_server):
    header = signature(secret_of(portal, as_tenant), an_event(known), int(time.time()))
    assert post(live_server, portal.credential_id, an_event(known, "connection.changed"), header) == 401


@pytest.mark.parametrize("seconds", [-310, 310])
def test_a_signature_of_another_time(known, portal, as_tenant, live_server, seconds):
    body = an_event(known)
    header = signature(secret_of(portal, as_tenant), body, int(time.time()) + seconds)
    assert post(live_server, portal.credential_id, body, header) == 401
    assert runs(portal, as_tenant) == []


@pytest.mark.parametrize("id", [0, 2**31 - 1, 2**31, 2**70])
def test_a_credential_there_is_not(known, portal, as_tenant, live_server, id):
    body = an_event(known)
    header = signature(secret_of(portal, as_tenant), body, int(time.time()))
    assert post(live_server, id, body, header) == 401


def test_another_tenants_credential(known, portal, make_tenant, as_tenant, live_server):
    body = an_event(known)
    header = signature(secret_of(portal, as_tenant), body, int(time.time()))
    assert post(live_server, make_tenant().credential_id, body, header) == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": 1}', b'{"kind": "\xff"}', b'{"x":' * 9_000], ids=range(6))
def test_a_body_that_is_no_event(portal, as_tenant, live_server, body):
    header = signature(secret_of(portal, as_tenant), body, int(time.time()))
    assert post(live_server, portal.credential_id, body, header) == 400


@pytest.mark.parametrize(("name", "status"), [("a\0b", 400), ("x" * 10_000, 204), ("", 204)], ids=["nul", "long", ""])
def test_a_key_or_platform_that_is_none(portal, known, as_tenant, live_server, name, status):
    secret = secret_of(portal, as_tenant)
    for body in (an_event(known, STATUS_MESSAGE_CHANGED, key=name), an_event(name)):
        header = signature(secret, body, int(time.time()))
        assert post(live_server, portal.credential_id, body, header) == status


def test_a_body_that_is_too_large(portal, as_tenant, live_server):
    body = an_event("x" * 100_000)
    header = signature(secret_of(portal, as_tenant), body, int(time.time()))
    assert post(live_server, portal.credential_id, body, header) == 413
