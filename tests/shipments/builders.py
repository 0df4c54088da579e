"""Documents to ship, and a cloud that can be told how to behave, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, jsonify, request
from sqlalchemy import func, select
from werkzeug.serving import make_server

from portal.addresses.models import AddressStatus
from portal.documents.models import Document
from portal.extensions import db
from portal.platforms.models import Platform
from portal.scope import current_tenant_id
from portal.shipments.models import Carrier
from tests.documents.builders import a_line, an_order, write
from tests.patience import SECONDS

PLACED = datetime.now(UTC) - timedelta(days=3)


def a_platform(merchant: Any, name: str = "Amazon", reference: str | None = "amazon-1") -> Platform:
    platform = Platform(
        tenant_id=merchant.tenant_id,
        number=db.session.scalar(select(func.coalesce(func.max(Platform.number), 0) + 1)),
        name=name,
        name_key=name.casefold(),
        credential_id=merchant.credential_id,
        marketplaces="DE",
        reference=reference,
        address_status_id=db.session.scalar(select(func.min(AddressStatus.id))),
    )
    db.session.add(platform)
    db.session.commit()
    return platform


def a_document(
    merchant: Any, order_id: str = "028-1234567-1234567", quantities: tuple[int, ...] = (1,), **changes: Any
):
    """A document with one article line a quantity, written as intake writes it, committed."""
    platform = db.session.scalars(select(Platform).order_by(Platform.id)).first() or a_platform(merchant)
    lines = [a_line(number, quantity=quantity) for number, quantity in enumerate(quantities, start=1)]
    changes = {"placed_at": PLACED, "ship_by": PLACED + timedelta(days=5), "lines": lines, **changes}
    write(platform, an_order(order_id, **changes))
    return db.session.scalars(select(Document).where(Document.order_id == order_id)).one()


def a_carrier(name: str = "DHL") -> Carrier:
    """One of the carriers a new tenant has, or a new one of this name."""
    carrier = db.session.scalars(select(Carrier).where(Carrier.name == name)).first()
    if carrier is None:
        carrier = Carrier(
            tenant_id=current_tenant_id(), name=name, marketplace_code=name, marketplace_name="", shipping_method=""
        )
        db.session.add(carrier)
        db.session.commit()
    return carrier


class ScriptedCloud:
    """The status message API of a cloud. A test says what becomes of the messages."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.refusal: str | None = None  # what every message is refused with
        self.busy = False
        self.address = ""

    def becomes(self, key: str, state: str, problem: str | None = None) -> None:
        """Let the marketplace have answered."""
        self.messages[key] |= {"state": state, "problem": problem}

    def app(self) -> Flask:
        app = Flask("scripted cloud")

        @app.before_request
        def note() -> Any:
            self.calls.append(f"{request.method} {request.path.rpartition('/v1')[2] or request.path}")
            if self.busy and "/v1/" in request.path:
                return problem(503, "The cloud is being updated.", {"Retry-After": "30"})
            return None

        def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Any:
            answer = jsonify(type="about:blank", title="Refused", status=status, detail=detail)
            answer.content_type = "application/problem+json"
            return answer, status, headers or {}

        @app.post("/cloud/oauth/token")
        def token() -> Any:
            return jsonify(access_token="a-token", token_type="Bearer", expires_in=3600)

        @app.post("/cloud/v1/platforms/<reference>/status-messages")
        def submit(reference: str) -> Any:
            key, body = request.headers["Idempotency-Key"], request.get_json()
            if key in self.messages:
                if self.bodies[key] != body:
                    return problem(409, "This key belongs to another message.")
                return jsonify(self.messages[key])
            if self.refusal:
                return problem(422, self.refusal)
            self.bodies[key] = body
            self.messages[key] = {"key": key, "order_id": body["order_id"], "state": "queued", "problem": None}
            return jsonify(self.messages[key]), 201

        @app.get("/cloud/v1/status-messages/<key>")
        def status(key: str) -> Any:
            return jsonify(self.messages[key]) if key in self.messages else problem(404, "There is no such message.")

        @app.post("/cloud/v1/status-messages/<key>/retry")
        def retry(key: str) -> Any:
            if key not in self.messages:
                return problem(404, "There is no such message.")
            if self.messages[key]["state"] != "failed":
                return problem(409, "The message has not failed.")
            self.bodies[key] = request.get_json() or self.bodies[key]
            self.becomes(key, "queued")
            return jsonify(self.messages[key]), 202

        return app

    @contextmanager
    def serving(self) -> Iterator[ScriptedCloud]:
        server = make_server("127.0.0.1", 0, self.app(), threaded=True)
        self.address = f"http://127.0.0.1:{server.server_port}/cloud"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join(SECONDS)
            server.server_close()
