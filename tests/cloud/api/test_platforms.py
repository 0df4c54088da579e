"""Platforms: made under a name that is free, changed, removed; and asked to collect now."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from jobs.queues import WORK, Job, lost
from portal.cloud.models import CloudPlatform, InboxOrder
from portal.cloud.platforms import REFERENCE_LETTERS
from portal.extensions import db
from tests.cloud.api.caller import DE, an_order, is_problem, row_of

FR = "A13V1IB3VIYZZH"
NEW = {"kind": "amazon", "name": "Amazon Deutschland", "marketplaces": [DE]}


def test_a_platform_is_made(caller):
    answer = caller.post("/v1/platforms", NEW)
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert set(made.pop("reference")) <= set(REFERENCE_LETTERS)
    assert made == {
        "kind": "amazon",
        "name": "Amazon Deutschland",
        "marketplaces": [DE],
        "active": True,
        "connection": {
            "state": "not_authenticated",
            "problem": None,
            "problem_source": None,
            "seller_id": None,
            "authorized_at": None,
        },
        "collected_at": None,
        "collect_problem": None,
        "collect_problem_source": None,
        "next_collect_at": None,
        "waiting": 0,
    }


def test_the_new_platforms_address_answers(caller):
    made = caller.post("/v1/platforms", NEW)
    address = made.headers["Location"]
    assert address.endswith(f"/cloud/v1/platforms/{made.json['reference']}")
    assert caller.get(address.partition("/cloud")[2]).json == made.json


def test_platforms_are_listed_by_name_and_only_ones_own(caller, stranger):
    stranger.platform("Amazon Fremd")
    for name in ("beta", "Alpha", "gamma"):
        caller.platform(name)
    assert [one["name"] for one in caller.get("/v1/platforms").json] == ["Alpha", "beta", "gamma"]


def test_without_platforms_the_list_is_empty(caller):
    assert caller.get("/v1/platforms").json == []


@pytest.mark.parametrize(
    "name",
    ["Amazon DE", "amazon de", "  Amazon DE ", "AmazonDE", "A m a z o n de", "Ａｍａｚｏｎ DE", "Amazon\u00a0DE"],
)
def test_a_name_is_taken_whatever_its_case_and_spaces(caller, name):
    caller.platform("Amazon DE")
    problem = is_problem(caller.post("/v1/platforms", NEW | {"name": name}), 409, "name")
    assert "already a platform" in problem["detail"]
    assert len(caller.get("/v1/platforms").json) == 1


def test_ss_and_sharp_s_are_one_name(caller):
    caller.platform("Straße")
    is_problem(caller.post("/v1/platforms", NEW | {"name": "STRASSE"}), 409, "name")


def test_another_account_may_use_the_name(caller, stranger):
    caller.platform("Amazon DE")
    stranger.platform("Amazon DE")


def test_of_many_at_once_under_one_name_one_is_made(caller, app):
    assert caller.token
    statuses = []

    def make() -> None:
        headers = {"Authorization": f"Bearer {caller.token}"}
        statuses.append(app.test_client().post("/cloud/v1/platforms", json=NEW, headers=headers).status_code)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]


def test_the_name_is_kept_without_spaces_around_it(caller):
    assert caller.post("/v1/platforms", NEW | {"name": "  Amazon  DE "}).json["name"] == "Amazon  DE"


def test_a_marketplace_named_twice_counts_once(caller):
    assert caller.post("/v1/platforms", NEW | {"marketplaces": [DE, FR, DE]}).json["marketplaces"] == [DE, FR]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "ebay"}, "kind"),
        ({"kind": None}, "kind"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "Amazon\n"}, "name"),
        ({"marketplaces": []}, "marketplaces"),
        ({"marketplaces": DE}, "marketplaces"),
        ({"marketplaces": [DE, "ä"]}, "marketplaces[1]"),
        ({"marketplaces": [None]}, "marketplaces[0]"),
        ({"marketplaces": [DE + "\0"]}, "marketplaces[0]"),
        ({"marketplaces": [f"M{number}" for number in range(51)]}, "marketplaces"),
        ({"active": "yes"}, "active"),
        ({"active": None}, "active"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_is_not_accepted_is_named(caller, change, field):
    is_problem(caller.post("/v1/platforms", NEW | change), 422, field)
    assert caller.get("/v1/platforms").json == []


@pytest.mark.parametrize("missing", ["kind", "name", "marketplaces"])
def test_what_is_missing_is_named(caller, missing):
    body = {name: value for name, value in NEW.items() if name != missing}
    problem = is_problem(caller.post("/v1/platforms", body), 422, missing)
    assert missing in problem["detail"]


def test_a_platform_is_changed(caller):
    reference = caller.platform()
    path = f"/v1/platforms/{reference}"
    changed = caller.patch(path, {"name": "Amazon Europa", "marketplaces": [DE, FR], "active": False})
    assert changed.status_code == 200, changed.text
    assert (changed.json["name"], changed.json["marketplaces"], changed.json["active"]) == (
        "Amazon Europa",
        [DE, FR],
        False,
    )
    assert caller.get(path).json == changed.json


def test_what_is_left_out_stays(caller):
    path = f"/v1/platforms/{caller.platform()}"
    before = caller.get(path).json
    assert caller.patch(path, {}).json == before
    assert caller.patch(path, {"active": False}).json == before | {"active": False}


def test_a_platform_may_be_respelled(caller):
    path = f"/v1/platforms/{caller.platform('amazon de')}"
    assert caller.patch(path, {"name": "Amazon DE"}).json["name"] == "Amazon DE"


def test_a_change_to_a_taken_name_changes_nothing(caller):
    caller.platform("Amazon DE")
    path = f"/v1/platforms/{caller.platform('Amazon FR')}"
    is_problem(caller.patch(path, {"name": "amazonde", "active": False}), 409, "name")
    after = caller.get(path).json
    assert (after["name"], after["active"]) == ("Amazon FR", True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"marketplaces": []}, "marketplaces"),
        ({"active": 1}, "active"),
        ({"kind": "amazon"}, "kind"),
        ({"reference": "X"}, "reference"),
    ],
)
def test_a_change_is_checked_like_the_making(caller, change, field):
    is_problem(caller.patch(f"/v1/platforms/{caller.platform()}", change), 422, field)


def test_other_marketplaces_begin_the_collection_anew(caller):
    reference = caller.connected(watermark=an_order().version, next_token="page-2", next_page=2)
    caller.patch(f"/v1/platforms/{reference}", {"marketplaces": [DE, FR]})
    with caller.rows():
        row = row_of(reference)
        assert (row.watermark, row.next_token, row.next_page) == (None, None, 1)
        assert row.next_collect_at is not None


def test_the_same_marketplaces_in_another_order_do_not(caller):
    reference = caller.connected()
    caller.patch(f"/v1/platforms/{reference}", {"marketplaces": [DE, FR]})
    with caller.rows():
        row_of(reference).watermark = an_order().version
    caller.patch(f"/v1/platforms/{reference}", {"marketplaces": [FR, DE]})
    with caller.rows():
        assert row_of(reference).watermark == an_order().version


def test_a_platform_is_removed_with_all_it_had(caller):
    reference = caller.platform()
    caller.receive(reference, an_order())
    assert (
        caller.post(f"/v1/platforms/{reference}/connection", {"return_url": "http://127.0.0.1:9/"}).status_code == 201
    )
    answer = caller.delete(f"/v1/platforms/{reference}")
    assert (answer.status_code, answer.data) == (204, b"")
    is_problem(caller.get(f"/v1/platforms/{reference}"), 404)
    is_problem(caller.delete(f"/v1/platforms/{reference}"), 404)
    with caller.rows():
        assert db.session.scalars(db.select(CloudPlatform)).all() == []
        assert db.session.scalars(db.select(InboxOrder)).all() == []
    caller.platform()  # the name is free again


def test_waiting_orders_are_counted(caller):
    reference = caller.platform()
    caller.receive(reference, an_order("1"), an_order("2"), an_order("3", status="cancelled"))
    assert caller.get(f"/v1/platforms/{reference}").json["waiting"] == 2
    assert [one["waiting"] for one in caller.get("/v1/platforms").json] == [2]


def test_no_more_than_a_thousand_are_counted(caller):
    reference = caller.platform()
    caller.receive(reference, *[an_order(f"o-{number}") for number in range(1001)])
    assert caller.get(f"/v1/platforms/{reference}").json["waiting"] == 1000


def test_collecting_now_is_due_and_queued(caller, app):
    reference = caller.connected(next_collect_at=None)
    answer = caller.post(f"/v1/platforms/{reference}/collection")
    assert (answer.status_code, answer.data) == (202, b"")
    with caller.rows():
        row = row_of(reference)
        assert row.next_collect_at is not None
        assert lost([(Job("jobs.collect.collect_orders", (caller.account_id, row.id)), WORK)]) == [False]


def test_collecting_now_can_look_back_by_days(caller):
    reference = caller.connected()
    assert caller.post(f"/v1/platforms/{reference}/collection?days=7").status_code == 202
    assert caller.post(f"/v1/platforms/{reference}/collection?days=2").status_code == 202
    with caller.rows():
        back = datetime.now(UTC) - row_of(reference).look_back_to
        assert timedelta(days=7) <= back < timedelta(days=7, minutes=5), "the further one stands"
    for days in ("31", "-1", "x", ""):
        is_problem(caller.post(f"/v1/platforms/{reference}/collection?days={days}"), 422, "days")


def test_collecting_now_is_refused_while_not_connected(caller):
    reference = caller.platform()
    problem = is_problem(caller.post(f"/v1/platforms/{reference}/collection"), 409)
    assert problem["type"] == "urn:kontor:not-connected"


def test_collecting_now_is_refused_while_switched_off(caller):
    reference = caller.connected(active=False)
    problem = is_problem(caller.post(f"/v1/platforms/{reference}/collection"), 409)
    assert problem["type"] == "urn:kontor:not-connected"
