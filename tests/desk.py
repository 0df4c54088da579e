"""A clerk's desk: his company's rows on one side, his browser on the other.

The two never share an app context: the browser's requests must see only what was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.documents import intake
from portal.documents.models import Document, HeldOrder
from portal.extensions import db
from portal.order import Collection, Order
from portal.platforms.models import Platform
from portal.scope import tenant
from portal.shipments import service as shipping
from portal.shipments.models import Shipment
from tests.conftest import Merchant
from tests.documents.builders import planned
from tests.reading import Element, read
from tests.shipments.builders import a_carrier, a_document, a_platform

ORDER = "028-1234567-1234567"
NUMBER = "00340434123456789012"


@dataclass
class Desk:
    app: Flask
    merchant: Merchant
    browser: FlaskClient

    @classmethod
    def of(cls, app: Flask, merchant: Merchant, client_of: Callable[[Merchant], FlaskClient]) -> Desk:
        return cls(app, merchant, client_of(merchant))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The company's rows in sight; what is read inside stays readable outside."""
        with self.app.app_context(), tenant(self.merchant.tenant_id):
            yield
            db.session.expunge_all()

    # What is there

    def platform(self, name: str = "Amazon", reference: str | None = "amazon-1") -> Platform:
        with self.inside():
            platform = a_platform(self.merchant, name, reference)
            db.session.refresh(platform)
            return platform

    def document(
        self, order_id: str = "028-1234567-1234567", quantities: tuple[int, ...] = (1,), **changes: Any
    ) -> Any:
        with self.inside():
            return a_document(self.merchant, order_id, quantities, **changes)

    def take(self, *orders: Order, collections: Sequence[Collection] = (), **origin: Any) -> None:
        """Versions of orders arrive."""
        with self.inside():
            platform = db.session.scalars(select(Platform).order_by(Platform.id)).first() or a_platform(self.merchant)
            call = collections[0].id if collections else 0
            source = intake.source_of(platform, **origin)
            intake.commit_page(source, planned(source, *orders, collection=call), list(collections))

    def parcel(
        self, document: Document, number: str = NUMBER, quantities: dict[int, int] | None = None, **becomes: Any
    ) -> Shipment:
        """A parcel is booked and its report becomes what is said, at once."""
        with self.inside():
            found = db.session.get_one(Document, document.id)
            parcel = shipping.ship(found, a_carrier(), number, datetime.now(UTC), quantities or {1: 1})
            for name, value in becomes.items():
                setattr(parcel, name, value)
            db.session.commit()
            db.session.refresh(parcel)
            return parcel

    def documents(self) -> dict[str, Document]:
        with self.inside():
            return {document.order_id: document for document in db.session.scalars(select(Document))}

    def held(self) -> dict[str, HeldOrder]:
        with self.inside():
            return {order.order_id: order for order in db.session.scalars(select(HeldOrder))}

    # What the clerk sees and does

    def open(self, path: str, htmx: bool = False, **query: str) -> Element:
        """The page at a path, which must be there."""
        answer = self.browser.get(path, query_string=query or None, headers={"HX-Request": "true"} if htmx else {})
        assert answer.status_code == 200, answer.text
        return read(answer.text)

    def send(self, path: str, status: int, **form: Any) -> Element:
        """The page a form is answered with, and with which status."""
        answer = self.browser.post(path, data=form)
        assert answer.status_code == status, answer.text
        return read(answer.text)

    def do(self, path: str, **form: Any) -> Element:
        """Send a form that must be accepted; the page it leads to."""
        answer: TestResponse = self.browser.post(path, data=form)
        assert answer.status_code == 302, answer.text
        return self.open(answer.location)
