"""A merchant who sells at the sandbox: everything real, with the handles a test needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import requests
from flask import Flask
from sqlalchemy import Engine, func, select, text

from jobs import scheduler
from jobs.queues import WORK, clear, enqueue, waiting
from portal import locks
from portal.addresses import checking, ledger
from portal.addresses.models import Address, AddressReference, NumberRange, Purpose
from portal.automation.models import Run, RunState
from portal.credentials.models import Credential
from portal.documents.models import Document, DocumentLine, HeldOrder, Receipt
from portal.extensions import db, redis
from portal.locks import Lock
from portal.platforms import service as platforms
from portal.platforms.models import Platform
from portal.scope import tenant
from portal.shipments import service as shipments
from portal.shipments.models import Carrier, Shipment, ShipmentItem
from tests.conftest import Merchant
from tests.exactly_once.children import Step, run_worker
from tests.patience import SECONDS, wait_until
from tests.sandbox.client import DE, Sandbox

# Times at which something is looked after again. "An hour passes" moves them back.
DUE = {
    "cloud_platform": ("next_collect_at",),
    "cloud_status_message": ("next_try_at",),
    "cloud_event": ("next_try_at",),
    "platform": ("next_fetch_at",),
    "shipment": ("next_check_at",),
    "run": ("started_at", "queued_at"),
    "action_run": ("started_at", "queued_at"),
    "task": ("next_at",),
    "task_run": ("started_at", "queued_at"),
}
ROUNDS = 8


@dataclass
class Shop:
    """One tenant, one platform, one seller at the sandbox."""

    app: Flask
    owner: Engine  # sees and changes every row
    amazon: Sandbox
    merchant: Merchant
    seller: str
    platform_id: int
    placed: list[str] = field(default_factory=list)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The tenant's rows in sight."""
        with self.app.app_context(), tenant(self.merchant.tenant_id):
            yield

    # What happens

    def place(self, kind: str = "plain", count: int = 1, **wish: Any) -> list[str]:
        """Orders of buyers."""
        placed = self.amazon.place(kind, count, seller=self.seller, **wish)
        self.placed += placed
        return placed

    def wake(self) -> None:
        """Time passes: whatever was to be looked after later is due now, and no mark in Redis stands any more."""
        with self.owner.begin() as connection:
            for table, columns in DUE.items():
                moved = ", ".join(f"{column} = {column} - interval '1 hour'" for column in columns)
                key, id = (
                    ("account_id", self.merchant.account_id)
                    if table.startswith("cloud_")
                    else ("tenant_id", self.merchant.tenant_id)
                )
                connection.execute(text(f"UPDATE {table} SET {moved} WHERE {key} = :id"), {"id": id})
        with self.app.app_context():
            for lost in ("kontor:queued:*", "kontor:place:*"):
                for mark in redis().scan_iter(lost):
                    redis().delete(mark)

    def collect(self, on: bool) -> None:
        """Switch collecting and fetching by themselves off, or on again: tests of parcels need none of it."""
        at = "now()" if on else "NULL"
        with self.owner.begin() as connection:
            cloud, portal = {"id": self.merchant.account_id}, {"id": self.merchant.tenant_id}
            connection.execute(text(f"UPDATE cloud_platform SET next_collect_at = {at} WHERE account_id = :id"), cloud)
            connection.execute(text(f"UPDATE platform SET next_fetch_at = {at} WHERE tenant_id = :id"), portal)

    def tick(self) -> None:
        """What the scheduler does each second."""
        with self.app.app_context():
            scheduler.tick()

    def work(self, step: Step | None = None, page_orders: int | None = None) -> bool:
        """Let time pass, the scheduler look, and a worker do what is queued. True if the worker was killed."""
        self.wake()
        self.tick()
        killed = run_worker(step, page_orders)
        if killed:  # the database notices in its own time; until then it looks as if somebody worked on it
            with self.app.app_context():
                wait_until(lambda: not any(locks.held(kind) for kind in Lock))
        return killed

    def settle(self, until: Callable[[], bool] | None = None, page_orders: int | None = None) -> None:
        """Work until all is done."""
        for _ in range(ROUNDS):
            self.work(page_orders=page_orders)
            if (until or self.is_settled)():
                return
        raise AssertionError(f"Not settled: {self.story()}")

    def fetch(self) -> None:
        """Ask for a fetch, as a person would; a worker does it."""
        with self.inside():
            platforms.fetch_now(db.session.get_one(Platform, self.platform_id))
            db.session.commit()

    def ship(self, order_id: str, tracking_number: str, quantities: dict[int, int] | None = None) -> int:
        """Book a parcel of everything, or of these pieces by position."""
        with self.inside():
            document = db.session.scalars(select(Document).where(Document.order_id == order_id)).one()
            carrier = db.session.scalars(select(Carrier).where(Carrier.name == "DHL")).one()
            open_ = {a.position: a.ordered - a.shipped for a in shipments.shippable(document).articles}
            shipment = shipments.ship(document, carrier, tracking_number, datetime.now(UTC), quantities or open_)
            db.session.commit()
            return shipment.id

    def lose_lock(self, kind: int) -> int:
        """The database forgets who does what: the connections that hold locks of this kind break."""
        with self.app.app_context(), db.engine.connect() as connection:
            broken = connection.execute(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_locks "
                    "WHERE locktype = 'advisory' AND classid = :kind AND granted"
                ),
                {"kind": kind},
            )
            return int(broken.scalar_one())

    # What can be seen

    def is_settled(self) -> bool:
        """Nothing waits, runs or is to be sent."""
        return not any(self.story().values())

    def story(self) -> dict[str, Any]:
        """What is not done yet."""
        with self.owner.connect() as connection:
            cloud = {"id": self.merchant.account_id}
            portal = {"id": self.merchant.tenant_id}

            def count(what: str, ids: dict[str, int]) -> int:
                return int(connection.execute(text(f"SELECT count(*) FROM {what}"), ids).scalar_one())

            return {
                "windows": count("cloud_platform WHERE account_id = :id AND window_to IS NOT NULL", cloud),
                "uncollected": count("cloud_platform WHERE account_id = :id AND watermark IS NULL", cloud),
                "waiting": count("cloud_order WHERE account_id = :id AND state = 'waiting'", cloud),
                "messages": count(
                    "cloud_status_message WHERE account_id = :id AND state NOT IN ('confirmed', 'failed')", cloud
                ),
                "runs": count("run WHERE tenant_id = :id AND state IN ('queued', 'running')", portal),
                "shipments": count("shipment WHERE tenant_id = :id AND state NOT IN ('confirmed', 'failed')", portal),
                "queued": self.queued(),
            }

    def queued(self) -> int:
        with self.app.app_context():
            return len(waiting(WORK))

    def drop(self, task: str) -> None:
        """Take the jobs of this task from the queue."""
        with self.app.app_context():
            others = [job for job in waiting(WORK) if job.task != task]
            clear(WORK)
            for job in others:
                enqueue(job.task, *job.ids)

    def documents(self) -> dict[str, Document]:
        """The documents by order id. Call it inside."""
        db.session.expire_all()
        found = db.session.scalars(select(Document).where(Document.platform_id == self.platform_id)).all()
        assert not [id for id, times in Counter(document.order_id for document in found).items() if times > 1]
        return {document.order_id: document for document in found}

    def held(self) -> dict[str, HeldOrder]:
        """The held orders by order id. Call it inside."""
        db.session.expire_all()
        return {order.order_id: order for order in db.session.scalars(select(HeldOrder))}

    def check_documents(self, order_ids: list[str] | None = None) -> None:
        """Each order exactly one document, complete; numbers 1..n; addresses and receipts as many as there must be."""
        order_ids = self.placed if order_ids is None else order_ids
        with self.inside():
            documents = self.documents()
            assert sorted(documents) == sorted(order_ids)
            numbers = sorted(int(re.sub(r"\D", "", document.number)) for document in documents.values())
            assert numbers == list(range(1, len(order_ids) + 1))
            drawn = dict(db.session.execute(select(NumberRange.purpose, NumberRange.next_number)).all())
            assert drawn[Purpose.ORDER] == len(order_ids) + 1

            addresses = db.session.scalars(select(Address)).all()
            buyers = db.session.scalars(select(AddressReference.address_id)).all()
            assert sorted(buyers) == sorted(address.id for address in addresses)
            assert {document.address_id for document in documents.values()} == {address.id for address in addresses}
            numbers = sorted(int(address.number) for address in addresses)
            assert numbers == list(range(numbers[0], numbers[0] + len(addresses))) if numbers else True
            assert drawn[Purpose.ADDRESS] == (numbers[-1] + 1 if numbers else drawn[Purpose.ADDRESS])

            self.check_ledger(Purpose.ORDER, len(documents))
            self.check_ledger(Purpose.ADDRESS, len(addresses))

            created = select(Receipt.document_id, func.count()).where(Receipt.event == "created")
            receipts = dict(db.session.execute(created.group_by(Receipt.document_id)).all())
            assert receipts == {document.id: 1 for document in documents.values()}
            sums: dict[int, Decimal] = dict(
                db.session.execute(
                    select(DocumentLine.document_id, func.sum(DocumentLine.amount)).group_by(DocumentLine.document_id)
                ).all()
            )
            assert sums == {document.id: document.total for document in documents.values()}
            written = db.session.execute(
                select(Document.order_id, func.count())
                .join(DocumentLine, DocumentLine.document_id == Document.id)
                .where(DocumentLine.kind == "article")
                .group_by(Document.order_id)
            )
            articles = dict(written.all())
            assert set(articles) == set(order_ids)
            for order_id in order_ids[:3] + order_ids[-3:]:
                assert articles[order_id] == len(self.amazon.order(order_id)["orderItems"])

    def check_ledger(self, purpose: Purpose, drawn: int) -> None:
        """The ledger has as many numbers, none left out, none twice. Call it inside."""
        own = db.session.scalars(select(NumberRange).where(NumberRange.purpose == purpose)).one()
        for year in ledger.years(own):
            wanted = ledger.Wanted(ledger.Series(own.id, purpose, year), ZoneInfo("Europe/Berlin"))
            found = checking.check(wanted, own.next_of(year))
            assert not found.findings and not found.skipped
            drawn -= found.drawn
        assert drawn == 0

    def check_inbox(self, count: int) -> None:
        """The cloud has each order once, delivered."""
        with self.owner.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT state, count(*), count(DISTINCT order_id) FROM cloud_order "
                    "WHERE account_id = :id GROUP BY state"
                ),
                {"id": self.merchant.account_id},
            ).all()
        assert [tuple(row) for row in rows] == [("delivered", count, count)]

    def runs(self) -> list[Run]:
        db.session.expire_all()
        return list(db.session.scalars(select(Run).order_by(Run.id)))

    def check_runs(self) -> None:
        """Every run has ended well."""
        with self.inside():
            assert {run.state for run in self.runs()} == {RunState.DONE}

    def check_parcel(self, order_id: str, tracking_number: str, edits: int = 0) -> None:
        """The parcel is confirmed at the portal, and there once at the marketplace."""
        with self.inside():
            found = db.session.scalars(select(Shipment).join(Document).where(Document.order_id == order_id)).all()
            assert [(one.state, one.tracking_number, one.problem) for one in found] == [
                ("confirmed", tracking_number, None)
            ]
            pieces = db.session.scalar(
                select(func.sum(ShipmentItem.quantity)).where(ShipmentItem.shipment_id == found[0].id)
            )
        ordered = sum(item["quantityOrdered"] for item in self.amazon.order(order_id)["orderItems"])
        assert pieces == ordered
        packages = self.amazon.packages(order_id)
        assert [package["trackingNumber"] for package in packages] == [tracking_number]
        assert sum(item["quantity"] for item in packages[0]["packageItems"]) == ordered
        confirmations = self.amazon.confirmations(order_id)
        assert [(one["package_reference"], one["edits"]) for one in confirmations] == [("1", edits)]


def open_shop(app: Flask, owner: Engine, amazon: Sandbox, merchant: Merchant, number: int = 1) -> Shop:
    """A platform, connected by a seller of its own through the consent page."""
    seller = amazon.add_seller()
    with app.app_context(), tenant(merchant.tenant_id):
        credential = db.session.get_one(Credential, merchant.credential_id)
        platform = platforms.create_platform(number, f"Amazon {number}", credential, [DE])
        db.session.commit()
        url = platforms.connect(platform)
        db.session.commit()
        platform_id = platform.id
    with requests.Session() as browser:
        to_marketplace = browser.get(url, allow_redirects=False, timeout=SECONDS)
        assert to_marketplace.status_code == 302, to_marketplace.text
        back = amazon.consent(to_marketplace.headers["Location"], seller)
        assert back is not None
        home = browser.get(back, allow_redirects=False, timeout=SECONDS)
        assert home.headers.get("Location", "").endswith("?connection=authenticated"), home.text
    return Shop(app, owner, amazon, merchant, seller, platform_id)
