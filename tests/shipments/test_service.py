"""A parcel is booked once, whoever books it, and its report can be repeated at any point."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from jobs.queues import WORK, Job, lost
from jobs.report import report_shipment
from portal.credentials.cloud import Cloud
from portal.credentials.models import Credential
from portal.documents.models import Document, State
from portal.extensions import db
from portal.order import Party, Status
from portal.platforms.models import Platform
from portal.scope import tenant
from portal.sentences import say
from portal.shipments import parcel, service
from portal.shipments.actions import report_again
from portal.shipments.models import MessageState, Shipment, ShipmentItem
from tests.addresses.test_matching import wait_for_somebody_who_waits
from tests.documents.builders import a_line, an_order, planned, write
from tests.patience import SECONDS
from tests.shipments.builders import PLACED, ScriptedCloud, a_carrier, a_document, a_platform

NUMBER = "00340434123456789012"


@pytest.fixture
def scope(as_tenant, merchant):
    with as_tenant(merchant):
        yield


@pytest.fixture
def cloud(merchant, scope):
    with ScriptedCloud().serving() as cloud:
        db.session.get_one(Credential, merchant.credential_id).address = cloud.address
        db.session.commit()
        yield cloud


def ship(document, quantities=None, number=NUMBER, **options):
    shipment = service.ship(
        document, a_carrier(), number, datetime.now(UTC), quantities if quantities is not None else {1: 1}, **options
    )
    db.session.commit()
    return shipment


def report(shipment):
    """The job, as a worker runs it, due or not."""
    report_shipment(shipment.tenant_id, shipment.id)
    db.session.expire_all()
    return shipment


def seconds_until(moment):
    return (moment - datetime.now(UTC)).total_seconds()


@pytest.mark.usefixtures("scope")
class TestBooking:
    def test_a_parcel_ships_the_document_and_waits_to_be_reported(self, merchant):
        document = a_document(merchant, quantities=(2, 1))
        shipment = ship(document, {1: 2, 2: 1}, "0034 0434 1234 5678 9012")
        assert document.state == State.SHIPPED
        assert (shipment.tracking_number, shipment.package_reference) == (NUMBER, 1)
        assert shipment.state == MessageState.QUEUED
        assert shipment.next_check_at <= datetime.now(UTC)
        assert [(item.position, item.quantity) for item in shipment.items] == [(1, 2), (2, 1)]

    def test_the_report_is_queued_after_the_commit_and_not_before(self, merchant):
        document = a_document(merchant)
        shipment = service.ship(document, a_carrier(), NUMBER, datetime.now(UTC), {1: 1})
        job = Job("jobs.report.report_shipment", (merchant.tenant_id, shipment.id))
        assert lost([(job, WORK)]) == [True]
        db.session.commit()
        assert lost([(job, WORK)]) == [False]

    def test_the_scheduler_finds_a_parcel_whose_job_was_lost(self, merchant):
        shipment = ship(a_document(merchant))
        claimed = db.session.execute(text("SELECT * FROM portal_claim_shipments(interval '1 minute', 1000)")).all()
        assert (merchant.tenant_id, shipment.id) in [tuple(row) for row in claimed]

    def test_parts_go_out_one_after_the_other_and_count_up(self, merchant):
        document = a_document(merchant, quantities=(2, 1))
        first = ship(document, {1: 1, 2: 0}, "one")
        assert (document.state, first.package_reference) == (State.PARTLY_SHIPPED, 1)
        assert [article.open for article in service.shippable(document).articles] == [1, 1]
        second = ship(document, {1: 1, 2: 1}, "two")
        assert (document.state, second.package_reference) == (State.SHIPPED, 2)

    def test_freight_and_discounts_do_not_count(self, merchant):
        from decimal import Decimal

        from portal.order import Component

        line = a_line(components=[Component("article", Decimal("20")), Component("shipping", Decimal("4"))], total=None)
        document = a_document(merchant, lines=[line])
        assert len(document.lines) == 2
        ship(document)
        assert document.state == State.SHIPPED

    @pytest.mark.parametrize(
        ("refusal", "order", "changes"),
        [
            (parcel.ShippedByMarketplace, {"fulfilled_by": "marketplace"}, {}),
            (parcel.LabelReportsItself, {"programs": ["FBM_SHIP_PLUS"]}, {}),
            (parcel.CancellationRequested, {"cancel_requested": True}, {}),
            (parcel.TrackingNumberMissing, {}, {"number": " \t "}),
            (parcel.TrackingNumberUnprintable, {}, {"number": "123\x00"}),
            (parcel.NothingChosen, {}, {"quantities": {1: 0}}),
            (parcel.TooMany, {}, {"quantities": {1: 2}}),
            (parcel.UnknownLine, {}, {"quantities": {2: 1}}),
        ],
    )
    def test_a_refusal_leaves_nothing_behind(self, merchant, refusal, order, changes):
        document = a_document(merchant, **order)
        with pytest.raises(refusal):
            ship(document, **changes)
        db.session.rollback()
        assert db.session.scalar(select(func.count()).select_from(Shipment)) == 0
        assert db.session.get_one(Document, document.id).state == State.OPEN

    def test_a_document_cancelled_meanwhile_is_not_shipped(self, merchant):
        document = a_document(merchant)
        assert document.state == State.OPEN
        with db.engine.connect() as other, other.begin():
            other.exec_driver_sql("SELECT set_config('app.tenant_id', %s, true)", (str(merchant.tenant_id),))
            other.execute(text("UPDATE document SET state = 'cancelled' WHERE id = :id"), {"id": document.id})
        with pytest.raises(parcel.DocumentCancelled):
            ship(document)

    def test_a_request_to_cancel_can_be_overruled(self, merchant):
        document = a_document(merchant, cancel_requested=True)
        ship(document, despite_cancellation=True)
        assert document.state == State.SHIPPED

    def test_dates_before_the_order_and_far_ahead_are_refused(self, merchant):
        document = a_document(merchant)
        for moment, refusal in (
            (PLACED - timedelta(minutes=1), parcel.ShippedBeforeOrder),
            (datetime.now(UTC) + timedelta(days=2), parcel.ShippedInFuture),
        ):
            with pytest.raises(refusal):
                service.ship(document, a_carrier(), NUMBER, moment, {1: 1})
            db.session.rollback()

    def test_a_tracking_number_serves_one_parcel_of_a_document(self, merchant):
        document = a_document(merchant, quantities=(2,))
        ship(document, number="1Z999AA10123456784")
        with pytest.raises(parcel.TrackingNumberUsed):
            ship(document, number="1z 999 AA1 0123456784")
        db.session.rollback()
        ship(a_document(merchant, "028-2"), number="1Z999AA10123456784")

    def test_pieces_that_the_marketplace_says_are_shipped_are_not_offered_again(self, merchant):
        document = a_document(merchant, quantities=(3, 1))
        platform = db.session.get_one(Platform, document.platform_id)

        def said(version, *shipped):
            status = Status.PARTLY_SHIPPED if any(shipped) else Status.UNSHIPPED
            lines = [a_line(1, quantity=3, shipped=shipped[0]), a_line(2, shipped=shipped[1])]
            write(platform, an_order(version=version, placed_at=PLACED, status=status, lines=lines))
            db.session.expire_all()
            return [article.open for article in service.shippable(document).articles]

        assert said(2, 1, 0) == [2, 1]  # one went out by another way, from the marketplace's own pages for instance
        with pytest.raises(parcel.TooMany):
            ship(document, {1: 3})
        db.session.rollback()
        ship(document, {1: 1, 2: 1})
        assert [article.open for article in service.shippable(document).articles] == [1, 0]
        assert said(3, 2, 1) == [1, 0]  # now it knows of ours, too
        ship(document, {1: 1}, "another")
        assert document.state == State.SHIPPED and document.notice is None

    def test_what_left_elsewhere_comes_on_top_of_ours_although_the_marketplace_has_told_of_that_alone(self, merchant):
        lines = [a_line(1, quantity=5, shipped=2)]
        document = a_document(merchant, status=Status.PARTLY_SHIPPED, lines=lines)
        assert [article.open for article in service.shippable(document).articles] == [3]
        ship(document, {1: 2})
        assert [article.open for article in service.shippable(document).articles] == [1]
        with pytest.raises(parcel.TooMany):
            ship(document, {1: 2}, "another")

    def test_many_who_ship_at_once_share_no_piece_and_no_reference(self, app, merchant):
        document_id = a_document(merchant, quantities=(3, 2)).id
        carrier_id = a_carrier().id
        together, refused = threading.Barrier(6, timeout=SECONDS), []

        def clerk(number):
            with app.app_context(), tenant(merchant.tenant_id):
                document = db.session.get_one(Document, document_id)
                carrier = db.session.get_one(service.Carrier, carrier_id)
                together.wait()
                try:
                    service.ship(document, carrier, f"number-{number}", datetime.now(UTC), {1: 1, 2: number % 2})
                    db.session.commit()
                except parcel.ShipmentRefused as error:
                    refused.append(type(error))
                    db.session.rollback()

        clerks = [threading.Thread(target=clerk, args=(number,)) for number in range(6)]
        for thread in clerks:
            thread.start()
        for thread in clerks:
            thread.join()
        db.session.rollback()
        shipped = dict(
            db.session.execute(
                select(ShipmentItem.position, func.sum(ShipmentItem.quantity)).group_by(ShipmentItem.position)
            ).all()
        )
        references = list(db.session.scalars(select(Shipment.package_reference).order_by(Shipment.package_reference)))
        assert references == list(range(1, len(references) + 1))
        assert len(references) + len(refused) == 6
        assert shipped[1] == 3
        assert shipped.get(2, 0) <= 2

    def test_the_marketplace_never_takes_a_document_back(self, merchant):
        """A part of ours on a document that the marketplace says is further stays where it is."""
        from portal.documents import intake
        from portal.order import Status

        document = a_document(merchant, quantities=(2,))
        ship(document, {1: 1})
        source = intake.source_of(document.platform)
        lines = [a_line(1, quantity=2)]
        newer = an_order(document.order_id, 2, placed_at=PLACED, lines=lines, status=Status.UNSHIPPED)
        intake.commit_page(source, planned(source, newer), [])
        db.session.expire_all()
        assert document.state == State.PARTLY_SHIPPED


@pytest.mark.usefixtures("scope")
class TestTakingBack:
    def failed(self, document, quantities, number=NUMBER):
        shipment = ship(document, quantities, number)
        shipment.state, shipment.problem = MessageState.FAILED, "No."
        db.session.commit()
        return shipment

    def test_its_pieces_can_be_shipped_again(self, merchant):
        document = a_document(merchant, quantities=(2, 1))
        ship(document, {1: 1})
        service.take_back(self.failed(document, {1: 1, 2: 1}, "wrong"))
        db.session.commit()
        assert document.state == State.PARTLY_SHIPPED
        assert [article.open for article in service.shippable(document).articles] == [1, 1]
        again = ship(document, {1: 1, 2: 1}, "right")
        assert (document.state, again.package_reference) == (State.SHIPPED, 2)

    @pytest.mark.parametrize(("shipped", "state"), [(0, State.OPEN), (1, State.PARTLY_SHIPPED)])
    def test_of_the_only_parcel_the_document_is_as_it_was(self, merchant, shipped, state):
        status = Status.PARTLY_SHIPPED if shipped else Status.UNSHIPPED
        document = a_document(merchant, status=status, lines=[a_line(1, quantity=2, shipped=shipped)])
        shipment = self.failed(document, {1: 2 - shipped})
        assert document.state == State.SHIPPED
        service.take_back(shipment)
        db.session.commit()
        assert document.state == state

    def told(self, document, version, **changes):
        changes = {"placed_at": PLACED, **changes}
        write(document.platform, an_order(document.order_id, version, **changes))
        db.session.expire_all()

    def test_what_was_shipped_elsewhere_meanwhile_is_not_offered(self, merchant):
        document = a_document(merchant, quantities=(2,))
        shipment = self.failed(document, {1: 2})
        self.told(document, 2, status=Status.PARTLY_SHIPPED, lines=[a_line(1, quantity=2, shipped=1)])
        service.take_back(shipment)
        assert document.state == State.PARTLY_SHIPPED
        assert [article.open for article in service.shippable(document).articles] == [1]

    def test_of_an_order_cancelled_meanwhile_the_document_is_cancelled_with_its_last_parcel(self, merchant):
        document = a_document(merchant, quantities=(2,))
        first, second = (self.failed(document, {1: 1}, f"N{number}") for number in (1, 2))
        self.told(document, 2, status=Status.CANCELLED)
        assert document.state == State.SHIPPED and "was cancelled at the marketplace" in say(document.notice)
        service.take_back(first)
        assert document.state == State.PARTLY_SHIPPED
        service.take_back(second)
        assert document.state == State.CANCELLED

    def test_an_address_that_changed_meanwhile_is_told(self, merchant):
        document = a_document(merchant)
        shipment = self.failed(document, {1: 1})
        elsewhere = Party(name="Käthe", street="Neue Straße 1", postal_code="34117", city="Kassel", country="DE")
        self.told(document, 2, lines=[a_line(1)], delivery=elsewhere)
        service.take_back(shipment)
        assert document.state == State.OPEN
        assert "The new address: Käthe, Neue Straße 1, 34117, Kassel, DE" in say(document.notice)

    def test_what_another_has_taken_back_meanwhile_is_said_to_be_gone(self, app, merchant):
        document = a_document(merchant, quantities=(2,))
        first, second = (self.failed(document, {1: 1}, f"N{number}") for number in (1, 2))
        ids = [first.id, second.id]

        def other() -> None:
            with app.app_context(), tenant(merchant.tenant_id):
                service.take_back(db.session.get_one(Shipment, ids[0]))
                db.session.commit()

        assert first.document and second.document
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(SECONDS)
        with pytest.raises(service.NotFailed, match="taken back"):
            service.take_back(first)
        db.session.rollback()
        assert service.report_anew(ids[0]) is None
        assert service.retry_these(ids) == 1

    def test_a_cancelled_document_stays_so(self, merchant):
        document = a_document(merchant)
        shipment = self.failed(document, {1: 1})
        document.state = State.CANCELLED
        db.session.commit()
        service.take_back(shipment)
        assert document.state == State.CANCELLED

    @pytest.mark.parametrize("state", [each for each in MessageState if each != MessageState.FAILED])
    def test_what_is_on_its_way_or_there_stays(self, merchant, state):
        shipment = ship(a_document(merchant))
        shipment.state = state
        db.session.commit()
        with pytest.raises(service.NotFailed):
            service.take_back(shipment)
        db.session.rollback()
        assert db.session.scalar(select(func.count()).select_from(ShipmentItem)) == 1


@pytest.mark.usefixtures("scope")
class TestAgain:
    def test_what_is_refused_again_is_a_warning_and_locks_no_task_for_ever(self, merchant, cloud):
        shipment = ship(a_document(merchant))
        cloud.refusal = "The order was cancelled."
        outcomes = [report_again(select(Shipment.id)) for _ in range(3)]
        assert [len(outcome.errors) for outcome in outcomes] == [1, 0, 0]
        assert [len(outcome.warnings) for outcome in outcomes] == [0, 1, 1]
        assert db.session.get_one(Shipment, shipment.id).state == MessageState.FAILED

    def test_while_the_cloud_is_asked_the_document_is_locked_by_nobody(self, app, merchant, cloud, monkeypatch):
        shipment = ship(a_document(merchant))
        shipment.state = MessageState.FAILED
        db.session.commit()
        document_id, found = shipment.document_id, []

        def look() -> None:
            with app.app_context(), tenant(merchant.tenant_id):
                nobody = text("SELECT id FROM document WHERE id = :id FOR UPDATE NOWAIT")
                found.append(db.session.scalar(nobody, {"id": document_id}))
                db.session.rollback()

        def submit(*arguments):
            other = threading.Thread(target=look)
            other.start()
            other.join(SECONDS)
            return {"state": "queued"}

        monkeypatch.setattr(Cloud, "submit_status", submit)
        service.report_anew(shipment.id)
        assert found == [document_id]

    def test_many_at_once_and_a_page_of_the_same_orders_do_not_stop_each_other(self, app, merchant, cloud):
        """Whoever locks several documents does it in the order of their orders: a page that has come the other way
        round waits for the first of them, and holds none that is still wanted here."""
        first, second = (ship(a_document(merchant, f"028-{number}"), number=f"N{number}") for number in (1, 2))
        for shipment in (first, second):
            shipment.state = MessageState.FAILED
        db.session.commit()
        ids, problems = [second.id, first.id], []

        def page() -> None:
            try:
                with app.app_context(), tenant(merchant.tenant_id):
                    platform = db.session.scalars(select(Platform)).one()
                    write(platform, *(an_order(f"028-{n}", 9, status=Status.SHIPPED) for n in (2, 1)))
            except Exception as problem:
                problems.append(problem)

        db.session.execute(select(Document.id).where(Document.id == first.document_id).with_for_update())
        other = threading.Thread(target=page)
        other.start()
        wait_for_somebody_who_waits(app)
        assert service.retry_these(ids) == 2
        db.session.commit()
        other.join(SECONDS)
        assert not problems


class TestReporting:
    def test_a_report_goes_from_queued_over_sent_to_confirmed_and_then_rests(self, merchant, cloud):
        document = a_document(merchant, quantities=(2,))
        shipment = report(ship(document, {1: 2}))
        assert shipment.state == MessageState.QUEUED
        assert 3 < seconds_until(shipment.next_check_at) <= 5
        cloud.becomes(shipment.key, "sent")
        assert report(shipment).state == MessageState.SENT
        cloud.becomes(shipment.key, "confirmed")
        assert report(shipment).state == MessageState.CONFIRMED
        assert (shipment.problem, shipment.next_check_at) == (None, None)
        assert shipment.sent_at <= shipment.confirmed_at
        calls = len(cloud.calls)
        report(shipment)
        assert len(cloud.calls) == calls

    def test_the_cloud_is_told_what_the_marketplace_wants_to_know(self, merchant, cloud):
        carrier = a_carrier("Paketbote Ost")
        carrier.marketplace_code, carrier.marketplace_name, carrier.shipping_method = "Other", "Bote Ost", "Standard"
        document = a_document(merchant, quantities=(2, 1))
        shipment = service.ship(document, carrier, "B 1", datetime.now(UTC), {1: 1})
        db.session.commit()
        body = report(shipment) and cloud.bodies[shipment.key]
        assert body == {
            "order_id": document.order_id,
            "package_reference": "1",
            "carrier_code": "Other",
            "carrier_name": "Bote Ost",
            "shipping_method": "Standard",
            "tracking_number": "B1",
            "shipped_at": shipment.shipped_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "items": [{"reference": "item-1", "quantity": 1}],
        }

    def test_a_worker_killed_before_it_wrote_the_answer_down_does_no_harm(self, merchant, cloud):
        shipment = ship(a_document(merchant))
        service.report(shipment.id)
        db.session.rollback()  # what a kill leaves: the cloud has it, we do not know
        service.report(shipment.id)
        db.session.commit()
        assert list(cloud.messages) == [shipment.key]
        assert shipment.attempts == 1

    def test_a_worker_killed_during_a_retry_does_no_harm(self, merchant, cloud):
        shipment = report(ship(a_document(merchant)))
        cloud.becomes(shipment.key, "failed", "Amazon does not know the carrier.")
        service.retry(report(shipment), tracking_number="corrected")
        db.session.commit()
        service.report(shipment.id)
        db.session.rollback()
        cloud.becomes(shipment.key, "sent")
        assert report(shipment).state == MessageState.SENT
        assert cloud.bodies[shipment.key]["tracking_number"] == "corrected"
        assert sum(call.endswith("/retry") for call in cloud.calls) == 1

    def test_a_failure_stands_until_somebody_retries(self, merchant, cloud):
        shipment = report(ship(a_document(merchant)))
        cloud.becomes(shipment.key, "failed", "Amazon does not accept the carrier.")
        report(shipment)
        assert (shipment.state, shipment.problem) == (MessageState.FAILED, "Amazon does not accept the carrier.")
        assert shipment.next_check_at is None
        assert not any(call.endswith("/retry") for call in cloud.calls)

    @pytest.mark.parametrize("corrected", [True, False])
    def test_a_retry_keeps_key_and_package_reference(self, merchant, cloud, corrected):
        document = a_document(merchant, quantities=(2,))
        ship(document, number="first")
        shipment = report(ship(document, number="second"))
        before = (shipment.key, shipment.package_reference)
        cloud.becomes(shipment.key, "failed", "No.")
        report(shipment)
        if corrected:
            service.retry(shipment, a_carrier("DPD"), "05 00 12 34 56 78 90")
        else:
            service.retry(shipment)
        db.session.commit()
        assert (shipment.state, shipment.problem, shipment.attempts) == (MessageState.QUEUED, None, 0)
        assert report(shipment).state == MessageState.QUEUED
        assert (shipment.key, shipment.package_reference) == before == (shipment.key, 2)
        assert cloud.messages[shipment.key]["state"] == "queued"
        body = cloud.bodies[shipment.key]
        assert body["package_reference"] == "2"
        expected = ("DPD", "05001234567890") if corrected else ("DHL", "second")
        assert (body["carrier_code"], body["tracking_number"]) == expected
        cloud.becomes(shipment.key, "confirmed")
        assert report(shipment).state == MessageState.CONFIRMED

    def test_a_second_failure_after_a_retry_is_told_and_not_retried_by_itself(self, merchant, cloud):
        shipment = report(ship(a_document(merchant)))
        cloud.becomes(shipment.key, "failed", "No.")
        service.retry(report(shipment))
        db.session.commit()
        report(shipment)
        cloud.becomes(shipment.key, "failed", "Still no.")
        report(shipment)
        assert (shipment.state, shipment.problem) == (MessageState.FAILED, "Still no.")

    def test_only_what_failed_can_be_retried_and_only_with_a_good_number(self, merchant, cloud):
        document = a_document(merchant, quantities=(2,))
        ship(document, number="first")
        shipment = report(ship(document, number="second"))
        with pytest.raises(service.NotFailed):
            service.retry(shipment)
        db.session.rollback()
        cloud.becomes(shipment.key, "failed", "No.")
        report(shipment)
        for number, refusal in (("", parcel.TrackingNumberMissing), ("first", parcel.TrackingNumberUsed)):
            with pytest.raises(refusal):
                service.retry(shipment, tracking_number=number)
            db.session.rollback()
        service.retry(shipment, tracking_number="second")

    def test_what_the_cloud_refuses_has_failed_and_goes_out_once_corrected(self, merchant, cloud):
        cloud.refusal = "carrier_code: there is no such carrier."
        shipment = report(ship(a_document(merchant)))
        assert (shipment.state, shipment.problem) == (MessageState.FAILED, cloud.refusal)
        cloud.refusal = None
        service.retry(shipment, carrier=a_carrier("DPD"))
        db.session.commit()
        assert report(shipment).state == MessageState.QUEUED
        assert cloud.bodies[shipment.key]["carrier_code"] == "DPD"

    def test_while_the_cloud_is_away_the_report_waits_longer_and_longer(self, merchant, cloud):
        credential = db.session.get_one(Credential, merchant.credential_id)
        reachable, credential.address = credential.address, "http://127.0.0.1:1/cloud"
        shipment = ship(a_document(merchant))
        for pause in (5, 15, 60, 300, 3600, 3600):
            report(shipment)
            assert shipment.state == MessageState.QUEUED
            assert shipment.problem
            assert pause - 3 < seconds_until(shipment.next_check_at) <= pause
        db.session.get_one(Credential, merchant.credential_id).address = reachable
        db.session.commit()
        assert (report(shipment).problem, shipment.state) == (None, MessageState.QUEUED)
        assert shipment.key in cloud.messages

    def test_a_busy_cloud_says_when_to_come_back(self, merchant, cloud):
        cloud.busy = True
        shipment = report(ship(a_document(merchant)))
        assert shipment.problem == "The cloud is being updated."
        assert 25 < seconds_until(shipment.next_check_at) <= 30

    def test_a_retry_that_first_meets_a_busy_cloud_still_goes_out(self, merchant, cloud):
        shipment = report(ship(a_document(merchant)))
        cloud.becomes(shipment.key, "failed", "No.")
        service.retry(report(shipment))
        db.session.commit()
        cloud.busy = True
        report(shipment)
        report(shipment)
        cloud.busy = False
        assert report(shipment).state == MessageState.QUEUED
        assert cloud.messages[shipment.key]["state"] == "queued"

    def test_a_platform_the_cloud_does_not_know_yet_keeps_the_report_waiting(self, merchant, cloud):
        a_platform(merchant, reference=None)
        shipment = report(ship(a_document(merchant)))
        assert shipment.state == MessageState.QUEUED
        assert "Connect" in shipment.problem
        assert cloud.calls == []

    def test_a_message_that_the_cloud_has_forgotten_is_handed_over_again(self, merchant, cloud):
        shipment = report(ship(a_document(merchant)))
        cloud.messages.clear()
        assert report(shipment).state == MessageState.QUEUED
        assert shipment.key in cloud.messages

    def test_two_workers_at_once_tell_the_cloud_once(self, app, merchant, cloud):
        shipment = ship(a_document(merchant))
        ids = (shipment.tenant_id, shipment.id)

        def work():
            with app.app_context():
                report_shipment(*ids)

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert sum(call.startswith("POST /platforms/") for call in cloud.calls) == 1

    def test_news_of_a_message_is_asked_for_by_its_key(self, merchant, cloud, make_tenant, app):
        key = ship(a_document(merchant)).key
        assert service.ask_soon(key)
        assert not service.ask_soon("nothing of ours")
        db.session.commit()
        with tenant(make_tenant().tenant_id):
            assert not service.ask_soon(key)
