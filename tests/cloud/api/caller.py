"""Those who call the cloud's API in tests: an account of its own each, over the app's own front door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.cloud import accounts
from portal.cloud.inbox import receive
from portal.cloud.models import CloudPlatform, CollectedPage, ConnectionState
from portal.extensions import db
from portal.order import Component, Line, Order, Status
from portal.scope import account
from portal.secrets import seal

Json = dict[str, Any]
DE = "A1PA6795UKMFR9"
ORDER = "028-1234567-1234567"
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@dataclass
class Caller:
    """A client of the API. Its calls bear its token unless they say otherwise."""

    app: Flask
    account_id: int
    client_id: str
    client_secret: str
    browser: FlaskClient = field(init=False)
    _token: str = ""

    def __post_init__(self) -> None:
        self.browser = self.app.test_client()

    @property
    def token(self) -> str:
        if not self._token:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            }
            answer = self.browser.post("/cloud/oauth/token", data=form)
            assert answer.status_code == 200, answer.text
            self._token = answer.json["access_token"]
        return self._token

    def call(self, method: str, path: str, **request: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} | request.pop("headers", {})
        return self.browser.open(f"/cloud{path}", method=method, headers=headers, **request)

    def get(self, path: str, **request: Any) -> TestResponse:
        return self.call("GET", path, **request)

    def post(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        return self.call("POST", path, json=json, **request)

    def put(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        return self.call("PUT", path, json=json, **request)

    def patch(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        return self.call("PATCH", path, json=json, **request)

    def delete(self, path: str, **request: Any) -> TestResponse:
        return self.call("DELETE", path, **request)

    @contextmanager
    def rows(self) -> Iterator[None]:
        """An app context with the account's rows in sight; what was changed is committed."""
        with self.app.app_context(), account(self.account_id):
            yield
            db.session.commit()

    def platform(self, name: str = "Amazon Deutschland", **wish: Any) -> str:
        """A new platform's reference."""
        made = self.post("/v1/platforms", {"kind": "amazon", "name": name, "marketplaces": [DE], **wish})
        assert made.status_code == 201, made.text
        return str(made.json["reference"])

    def connected(self, name: str = "Amazon Deutschland", refresh_token: str = "Atzr|test", **values: Any) -> str:
        """The reference of a new platform that is connected to a seller, as if by consent."""
        reference = self.platform(name)
        with self.rows():
            platform = row_of(reference)
            platform.connection, platform.authorized_at = ConnectionState.AUTHENTICATED, datetime.now(UTC)
            platform.seller_id = f"A{reference}"
            platform.refresh_token = seal(refresh_token, platform.token_place)
            for column, value in values.items():
                setattr(platform, column, value)
        return reference

    def receive(self, reference: str, *orders: Order) -> int:
        """Put a page of orders into the inbox; returns the id of the call that brought them."""
        with self.rows():
            platform = row_of(reference)
            page = CollectedPage(
                account_id=self.account_id,
                platform_id=platform.id,
                operation="searchOrders",
                request_id="amazon-1",
                page=1,
                orders=len(orders),
                window_from=NOON,
                window_to=datetime.now(UTC),
            )
            db.session.add(page)
            db.session.flush()
            receive(platform, orders, page)
            return page.id


def row_of(reference: str) -> CloudPlatform:
    """The platform's row; the account has to be in sight."""
    return db.session.scalars(db.select(CloudPlatform).where(CloudPlatform.reference == reference)).one()


def new_caller(app: Flask, name: str = "Beispiel GmbH") -> Caller:
    with app.app_context():
        made, client_id, client_secret = accounts.create_account(name)
        account_id = made.id
        db.session.commit()
    return Caller(app, account_id, client_id, client_secret)


def an_order(id: str = ORDER, version: datetime = NOON, **changes: Any) -> Order:
    """An order as the connector makes it: one article for 19.99."""
    price = Decimal("19.99")
    values: Json = {
        "status": Status.UNSHIPPED,
        "placed_at": NOON,
        "channel": "Amazon.de",
        "marketplace": DE,
        "currency": "EUR",
        "total": price,
        "lines": [Line("79039765270001", "SKU-1", "Häkelnadel", 1, [Component("article", price)], price, price)],
    }
    return Order(id=id, version=version, **values | changes)


def a_package(**changes: Any) -> Json:
    """The body of a status message."""
    values: Json = {
        "order_id": ORDER,
        "package_reference": "1",
        "carrier_code": "DHL",
        "tracking_number": "00340434161094000001",
        "shipped_at": "2026-11-02T09:30:00Z",
        "items": [{"reference": "79039765270001", "quantity": 1}],
    }
    return values | changes


def is_problem(answer: TestResponse, status: int, *fields: str) -> Json:
    """The problem document that the answer must be: of this status, naming just these fields."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"]
    problem: Json = answer.get_json(force=True)
    assert (problem["status"], bool(problem["title"]), bool(problem["detail"])) == (status, True, True)
    assert problem["type"] == "about:blank" or problem["type"].startswith("urn:kontor:")
    assert set(problem.get("errors", {})) == set(fields), problem
    assert all(problem.get("errors", {}).values())
    return problem
