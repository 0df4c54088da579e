"""The sandbox marketplace as tests use it: a process of its own, and verbs to play buyers and break things.

with Sandbox.run() as amazon:
    first, second, third = amazon.place("plain", count=3)
    amazon.fault("reset_after", "confirmShipment", times=1)
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from portal.processes import spawn
from tests.patience import SECONDS, wait_until
from tests.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]
# What the sandbox knows its only application by.
APPLICATION_ID = "amzn1.sp.solution.kontor-demo"
CLIENT_ID = "amzn1.application-oa2-client.kontor"
CLIENT_SECRET = "kontor-demo-secret"
USER_AGENT = "Kontor-tests/1 (Language=Python)"
EVERYTHING = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,TAX,PACKAGES,EXPENSE,PAYMENT"
DE = "A1PA6795UKMFR9"

Json = dict[str, Any]


class SandboxError(Exception):
    """The control API said no; the message is its sentence."""


@dataclass(frozen=True)
class ConsentPage:
    """What a seller sees before giving access."""

    question: str
    digits: str
    sellers: list[str]


class Sandbox:
    """A running sandbox, by its address. `run` starts one; `Sandbox(url)` uses one that runs already."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self._command: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._tokens: dict[str | None, str] = {}

    # The process

    @classmethod
    @contextlib.contextmanager
    def run(
        cls,
        *,
        port: int | None = None,
        store: Path | None = None,
        plan: str = "unlimited",
        min_age: float = 0,
        orders_per_minute: float = 0,
        seed: int = 1,
    ) -> Iterator[Sandbox]:
        """Start a sandbox and stop it at the end. Without `store` (a folder) its orders are in memory."""
        port = port or free_port()
        sandbox = cls(f"http://127.0.0.1:{port}")
        sandbox._command = [sys.executable, "-m", "portal.sandbox", "--port", str(port), "--plan", plan]
        sandbox._command += ["--min-age", str(min_age), "--seed", str(seed)]
        sandbox._command += ["--orders-per-minute", str(orders_per_minute)]
        if store is not None:
            sandbox._command += ["--data", str(store)]
        sandbox.start()
        try:
            yield sandbox
        finally:
            sandbox.stop()

    def start(self) -> None:
        """Start the process again after `stop` or `kill`; return when it answers. It ends when this thread does."""
        self._process = spawn(self._command, folder=PROJECT, environment=os.environ, stderr=None)
        try:
            wait_until(self._answers, "The sandbox does not answer.")
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"The sandbox ended with {self._process.returncode}.")
        try:
            self.session.get(f"{self.url}/_sandbox/health", timeout=10)
        except (requests.ConnectionError, requests.Timeout):
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self.session.close()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    @property
    def environment(self) -> dict[str, str]:
        """What Kontor needs to know to use this sandbox."""
        return {
            "KONTOR_AMAZON_URL": self.url,
            "KONTOR_AMAZON_APPLICATION_ID": APPLICATION_ID,
            "KONTOR_AMAZON_CLIENT_ID": CLIENT_ID,
            "KONTOR_AMAZON_CLIENT_SECRET": CLIENT_SECRET,
        }

    # Buyers

    def place(self, kind: str = "plain", count: int = 1, **wish: Any) -> list[str]:
        """Place orders; return their ids.

        `wish`: seller, marketplace ("PL"), placed_at, updated_at (ISO 8601), spread_days, late (seconds unlisted),
        lines, items ([{"price": "9.99", "quantity": 2, "sku", "title", "shipping", "gift_wrap", "discount",
        "shipping_discount", "tax_rate"}]), address (fields of deliveryAddress), replaces (order id).
        """
        return self._post("orders", {"kind": kind, "count": count, **wish})["orders"]

    def place_one(self, kind: str = "plain", **wish: Any) -> str:
        return self.place(kind, **wish)[0]

    def place_raw(self, order: Any, **wish: Any) -> str:
        """Place an order to be served as it is; a string is served byte for byte. The same id again replaces it.

        `wish`: order_id, seller, updated_at, late.
        """
        return self._post("orders", {"raw": order, **wish})["orders"][0]

    def order(self, order_id: str) -> Json:
        """The whole order, whatever the API would show of it."""
        return self._get(f"orders/{order_id}")

    def status(self, order_id: str) -> str:
        return self.order(order_id)["fulfillment"]["fulfillmentStatus"]

    def packages(self, order_id: str) -> list[Json]:
        return self.order(order_id).get("packages", [])

    def cancel(self, order_id: str, **why: Any) -> Json:
        """`why`: cancelled_by (BUYER, MERCHANT, AMAZON), reason."""
        return self._post(f"orders/{order_id}/cancel", why)

    def ship(self, order_id: str, **how: Any) -> Json:
        """Shipped elsewhere, not by the API. `how`: tracking_number, carrier."""
        return self._post(f"orders/{order_id}/ship", how)

    def release(self, order_id: str) -> Json:
        return self._post(f"orders/{order_id}/release", {})

    def change(self, order_id: str, **what: Any) -> Json:
        """`what`: quantity (and order_item_id), address (fields), cancellation_request (the buyer's reason)."""
        return self._post(f"orders/{order_id}/change", what)

    # Faults and settings

    def fault(self, fault: str, operation: str = "*", **when: Any) -> int:
        """Switch a fault on; return its id.

        Faults: 429 500 500_after 503 reset_before reset_after slow truncated malformed same_page twice no_items
        late drop. Operations: searchOrders getOrder confirmShipment getMarketplaceParticipations token.
        `when`: times (None: until off), after (calls that pass first), probability, seconds, order_id.
        """
        return self._post("faults", {"fault": fault, "operation": operation, **when})["id"]

    def faults(self) -> list[Json]:
        return self._get("faults")["faults"]

    def faults_off(self, fault_id: int | None = None) -> None:
        self._call("DELETE", "faults" if fault_id is None else f"faults/{fault_id}")

    def set(self, **settings: Any) -> Json:
        """min_age, plans ("published", "fast", "unlimited" or {"getOrder": [rate, burst]}), code_seconds,
        access_token_seconds, page_token_seconds, client_secrets, redirect_uris, draft, withheld, orders_per_minute.
        """
        return self._post("settings", settings)

    def settings(self) -> Json:
        return self._get("settings")

    def reset(self, everything: bool = False) -> None:
        """Forget orders, confirmations, calls, faults and settings; what sellers granted only with `everything`."""
        self._call("POST", "reset", {"everything": everything})
        if everything:
            self._tokens.clear()

    # What the sandbox saw

    def calls(self, operation: str | None = None, order_id: str | None = None) -> list[Json]:
        """Calls: operation, status (0: no answer was sent), at, seller, order_id, query, fault."""
        wanted = {"operation": operation, "order_id": order_id}
        return self._get("calls", **{name: value for name, value in wanted.items() if value})["calls"]

    def call_counts(self) -> dict[str, int]:
        return self._get("calls")["counts"]

    def forget_calls(self) -> None:
        self._call("DELETE", "calls")

    def confirmations(self, order_id: str | None = None) -> list[Json]:
        """Accepted confirmations, one a package: order_id, package_reference, tracking_number, items, edits ..."""
        return self._get("confirmations", **({"order_id": order_id} if order_id else {}))["confirmations"]

    # Sellers

    def add_seller(self, name: str | None = None, region: str = "EU") -> str:
        """A seller nobody else has; returns the id."""
        return self._post("sellers", {"name": name or f"Seller {secrets.token_hex(3)}", "region": region})["seller"]

    def sellers(self) -> list[Json]:
        return self._get("sellers")["sellers"]

    def authorize(self, seller: str | None = None) -> str:
        """Let the application in without the consent page; returns a refresh token."""
        return self._post("authorizations", {"seller": seller})["refresh_token"]

    def revoke(self, seller: str | None = None) -> int:
        self._tokens.pop(seller, None)
        return self._post("revoke", {"seller": seller})["revoked"]

    def consent_page(self, url: str) -> ConsentPage:
        """Open a consent page and read it."""
        page = requests.get(url, timeout=SECONDS)
        page.raise_for_status()
        question = re.search(r'name="question" value="([^"]+)"', page.text)
        digits = re.search(r'<output id="sms"[^>]*>(\d{6})</output>', page.text)
        assert question and digits, page.text
        return ConsentPage(question[1], digits[1], re.findall(r'name="seller" value="([^"]+)"', page.text))

    def consent(self, url: str, seller: str | None = None, refuse: bool = False) -> str | None:
        """Do what a seller does at the consent page; returns the address the browser is sent to, None if refused."""
        page = self.consent_page(url)
        answer = requests.post(
            f"{self.url}/apps/authorize/consent",
            data={
                "question": page.question,
                "digits": page.digits,
                "seller": seller or page.sellers[0],
                "decision": "refuse" if refuse else "confirm",
            },
            allow_redirects=False,
            timeout=SECONDS,
        )
        return answer.headers.get("Location")

    # Calls of the API itself

    def token(self, **form: str) -> requests.Response:
        """Ask the token endpoint, by default with the right client."""
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return self.session.post(f"{self.url}/auth/o2/token", data=client | form, timeout=SECONDS)

    def access_token(self, seller: str | None = None) -> str:
        """An access token of the seller, kept for the next time."""
        if seller not in self._tokens:
            granted = self.token(grant_type="refresh_token", refresh_token=self.authorize(seller))
            self._tokens[seller] = granted.json()["access_token"]
        return self._tokens[seller]

    def api(
        self, method: str, path: str, *, seller: str | None = None, timeout: float = SECONDS, **request: Any
    ) -> requests.Response:
        """A call of the API with a valid token."""
        headers = {"x-amz-access-token": self.access_token(seller), "User-Agent": USER_AGENT}
        headers |= request.pop("headers", {})
        return self.session.request(method, self.url + path, headers=headers, timeout=timeout, **request)

    def search(self, seller: str | None = None, **parameters: Any) -> requests.Response:
        """searchOrders; without a window, of everything that ever changed."""
        if not {"createdAfter", "lastUpdatedAfter"} & set(parameters):
            parameters["lastUpdatedAfter"] = "2020-01-01T00:00:00Z"
        parameters.setdefault("includedData", EVERYTHING)
        return self.api("GET", "/orders/2026-01-01/orders", seller=seller, params=parameters)

    def get_order(self, order_id: str, seller: str | None = None, **parameters: Any) -> requests.Response:
        parameters.setdefault("includedData", EVERYTHING)
        return self.api("GET", f"/orders/2026-01-01/orders/{order_id}", seller=seller, params=parameters)

    def confirm(self, order_id: str, seller: str | None = None, **detail: Any) -> requests.Response:
        """confirmShipment; without `orderItems` (or `quantities`), of everything that was ordered."""
        order = self.order(order_id)
        quantities = detail.pop("quantities", None) or {
            item["orderItemId"]: item["quantityOrdered"] for item in order["orderItems"]
        }
        marketplace = detail.pop("marketplaceId", order["salesChannel"]["marketplaceId"])
        package = {
            "packageReferenceId": "1",
            "carrierCode": "DHL",
            "shippingMethod": "Paket",
            "trackingNumber": "00340434161094000001",
            "shipDate": "2026-09-30T10:00:00Z",
            "orderItems": [{"orderItemId": item, "quantity": count} for item, count in quantities.items()],
        } | detail
        package = {name: value for name, value in package.items() if value is not None}
        return self.api(
            "POST",
            f"/orders/v0/orders/{order_id}/shipmentConfirmation",
            seller=seller,
            json={"marketplaceId": marketplace, "packageDetail": package},
        )

    # The control API

    def _get(self, path: str, **parameters: str) -> Json:
        return self._call("GET", path, parameters=parameters).json()

    def _post(self, path: str, body: Json) -> Json:
        return self._call("POST", path, {name: value for name, value in body.items() if value is not None}).json()

    def _call(
        self, method: str, path: str, body: Json | None = None, parameters: dict[str, str] | None = None
    ) -> requests.Response:
        url = f"{self.url}/_sandbox/{path}"
        answer = self.session.request(method, url, json=body, params=parameters, timeout=SECONDS)
        if answer.status_code >= 400:
            raise SandboxError(answer.json()["error"] if answer.status_code < 500 else answer.text)
        return answer
