"""Area actions with a whole installation: each preset does its work, and a worker that dies costs nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.scheduler import MOST_ATTEMPTS
from portal.automation import actions
from portal.automation.areas import Scope, ScopeKind, Step
from portal.automation.models import ActionMessage, ActionRun, RunState, Severity
from portal.automation.registry import AREAS
from portal.extensions import db
from portal.platforms.models import Platform
from portal.sentences import say
from portal.shipments.models import MessageState, Shipment
from tests.exactly_once import children
from tests.exactly_once.children import COMMIT
from tests.exactly_once.shop import Shop
from tests.patience import wait_until

TASK = "run_actions"
ORDERS = 5


def start(shop: Shop, *steps: Step, area: str = "platforms", scope: Scope = Scope()) -> int:  # noqa: B008  frozen
    with shop.inside():
        run = actions.start(AREAS[area], scope, steps, shop.merchant.user_id)
        db.session.commit()
        return int(run.id)


def ended(shop: Shop, id: int) -> ActionRun:
    with shop.inside():
        run: ActionRun = db.session.get_one(ActionRun, id)
        db.session.expunge_all()
        return run


def said(shop: Shop, id: int) -> list[tuple[Severity, str]]:
    with shop.inside():
        found = db.session.scalars(select(ActionMessage).where(ActionMessage.action_run_id == id))
        return [(message.severity, say(message.text)) for message in found]


def test_reconciling_brings_what_the_cloud_had_missed(shop: Shop) -> None:
    shop.settle()
    shop.place(count=ORDERS)
    with shop.owner.begin() as connection:  # the cloud believes that it has seen them
        connection.exec_driver_sql("UPDATE cloud_platform SET watermark = now() + interval '15 minutes'")
    shop.settle()
    with shop.inside():
        assert not shop.documents()
    id = start(shop, Step("reconcile", {"days": 30}))
    shop.settle(lambda: ended(shop, id).state == RunState.DONE)
    shop.settle()
    shop.check_inbox(ORDERS)
    shop.check_documents()


def state_of_parcel(shop: Shop) -> MessageState:
    with shop.inside():
        return db.session.scalars(select(Shipment.state)).one()


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """Orders wait in the cloud, and nothing is fetched by itself."""
    shop.settle()
    shop.place(count=ORDERS)
    with shop.owner.begin() as connection:
        connection.exec_driver_sql("UPDATE platform SET next_fetch_at = NULL")
    return shop


def test_documents_are_downloaded_by_the_worker_that_does_the_action(stocked: Shop) -> None:
    id = start(stocked, Step("download"))
    stocked.settle(lambda: ended(stocked, id).state == RunState.DONE)
    stocked.settle()
    again = start(stocked, Step("refresh"), Step("download"))
    stocked.settle(lambda: ended(stocked, again).state == RunState.DONE)
    stocked.check_inbox(ORDERS)
    stocked.check_documents()
    run = ended(stocked, again)
    assert (run.done, run.expected, run.errors, run.warnings) == (2, 2, 0, 0)


def test_one_order_is_asked_for_by_its_number(stocked: Shop) -> None:
    wanted = stocked.placed[-1]
    id = start(stocked, Step("download_one", {"order_id": wanted}))
    stocked.settle(lambda: ended(stocked, id).state == RunState.DONE)
    assert not said(stocked, id)
    with stocked.inside():
        assert wanted in stocked.documents()
    unknown = start(stocked, Step("download_one", {"order_id": "028-0000000-0000000"}))
    stocked.settle(lambda: ended(stocked, unknown).state == RunState.DONE)
    ((severity, text),) = said(stocked, unknown)
    assert severity == Severity.WARNING and "028-0000000-0000000" in text


@pytest.mark.parametrize("area", ["documents"])
def test_a_failed_report_is_sent_again(shop: Shop, area: str) -> None:
    shop.place()
    shop.settle()
    shop.ship(shop.placed[0], "00340434123456789012")
    shop.settle()
    with shop.owner.begin() as connection:
        for table in ("cloud_status_message", "shipment"):
            connection.exec_driver_sql(f"UPDATE {table} SET state = 'failed', problem = 'No.'")
    id = start(shop, Step("upload_statuses"), area=area)
    shop.settle(lambda: ended(shop, id).state == RunState.DONE)
    assert ended(shop, id).processed == 1
    shop.settle(lambda: state_of_parcel(shop) == MessageState.CONFIRMED)
    again = start(shop, Step("upload_statuses"), area=area)
    shop.settle(lambda: ended(shop, again).state == RunState.DONE)
    assert ended(shop, again).processed == 0, "what is confirmed is left alone"
    assert len(shop.amazon.order(shop.placed[0])["packages"]) == 1


def test_what_one_record_is_refused_the_others_go_on(stocked: Shop) -> None:
    with stocked.inside():
        platform = db.session.get_one(Platform, stocked.platform_id)
        other = Platform(
            tenant_id=platform.tenant_id,
            number=99,
            name="Not connected",
            name_key="notconnected",
            credential_id=platform.credential_id,
            marketplaces="DE",
            address_status_id=platform.address_status_id,
            active=False,
        )
        db.session.add(other)
        db.session.commit()
    id = start(stocked, Step("download"), scope=Scope(ScopeKind.RANGE, first="1"))
    stocked.settle(lambda: ended(stocked, id).state == RunState.DONE)
    run = ended(stocked, id)
    assert (run.done, run.errors) == (2, 1)
    assert said(stocked, id) == [(Severity.ERROR, "The platform is switched off.")]
    stocked.settle()
    stocked.check_documents()


@pytest.mark.parametrize("commit", [1, 4])
def test_killed_on_the_way_another_worker_goes_on(stocked: Shop, commit: int) -> None:
    id = start(stocked, Step("refresh"), Step("retry_held"), Step("refresh"))
    assert stocked.work(children.Step(TASK, "after", COMMIT, commit))
    stocked.settle(lambda: ended(stocked, id).state == RunState.DONE)
    run = ended(stocked, id)
    assert (run.done, run.expected, run.attempt) == (3, 3, 2)


def test_killed_again_and_again_it_is_given_up(stocked: Shop) -> None:
    id = start(stocked, Step("refresh"))
    for _ in range(MOST_ATTEMPTS):
        assert stocked.work(children.Step(TASK, "after", COMMIT, 1))
    stocked.wake()
    stocked.tick()
    run = ended(stocked, id)
    assert run.state == RunState.FAILED and str(MOST_ATTEMPTS) in say(run.problem)


def test_a_person_stops_it_after_the_record_in_hand(stocked: Shop) -> None:
    id = start(stocked, Step("refresh"), Step("refresh"))
    stocked.tick()
    worker = children.start_worker(children.Step(TASK, "before", COMMIT, 3, then="wait"))
    wait_until(lambda: children.is_waiting(stocked.app))
    with stocked.inside():
        actions.stop(db.session.get_one(ActionRun, id))
        db.session.commit()
    children.let_go_on(stocked.app)
    assert not children.end_worker(worker)
    assert (ended(stocked, id).state, ended(stocked, id).done) == (RunState.STOPPED, 1)
