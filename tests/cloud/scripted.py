"""A server that plays Amazon by a script: real HTTP, and whatever a test wants it to answer."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 100


@dataclass
class Call:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Reply:
    """An answer. `content_length` may lie; `reset` drops the connection instead of answering."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_length: int | None = None
    reset: bool = False

    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def html(status: int) -> Reply:
    return Reply(status, b"<html><body>Service unavailable</body></html>", {"Content-Type": "text/html"})


RESET = Reply(reset=True)


class ScriptedAmazon:
    """Answers by its state (orders, packages), unless a test put another answer in line for that operation."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.in_line: dict[str, deque[Reply | Callable[[Call], Reply]]] = {}
        self.orders: list[dict[str, Any]] = []
        self.packages: dict[str, list[dict[str, Any]]] = {}
        self.page = PAGE
        self.tokens = 0
        self.events: list[Call] = []
        self.url = ""

    def put_in_line(self, operation: str, *replies: Reply | Callable[[Call], Reply]) -> None:
        self.in_line.setdefault(operation, deque()).extend(replies)

    def count(self, operation: str) -> int:
        return sum(operation_of(call) == operation for call in self.calls)

    def of(self, operation: str) -> list[Call]:
        return [call for call in self.calls if operation_of(call) == operation]

    def reply(self, call: Call) -> Reply:
        self.calls.append(call)
        operation = operation_of(call)
        waiting = self.in_line.get(operation)
        if waiting:
            reply = waiting.popleft()
            return reply if isinstance(reply, Reply) else reply(call)
        reply = getattr(self, operation)(call)
        reply.headers.setdefault("x-amzn-RequestId", f"request-{len(self.calls)}")
        return reply

    def token(self, call: Call) -> Reply:
        self.tokens += 1
        tokens = {"access_token": f"Atza|{self.tokens}", "token_type": "bearer", "expires_in": 3600}
        if call.form["grant_type"] == "authorization_code":
            tokens["refresh_token"] = "Atzr|new"
        return Reply(body=tokens)

    def searchOrders(self, call: Call) -> Reply:
        since, until = moment(call.query["lastUpdatedAfter"]), moment(call.query["lastUpdatedBefore"])
        found = [order for order in self.orders if since <= moment(order["lastUpdatedTime"]) <= until]
        start = int(call.query.get("paginationToken", "page-0").removeprefix("page-"))
        answer: dict[str, Any] = {"orders": found[start : start + self.page]}
        answer["lastUpdatedBefore"] = call.query["lastUpdatedBefore"]
        if start + self.page < len(found):
            answer["pagination"] = {"nextToken": f"page-{start + self.page}"}
        return Reply(body=answer)

    def getOrder(self, call: Call) -> Reply:
        order_id = call.path.rsplit("/", 1)[1]
        for order in self.orders:
            if order["orderId"] == order_id:
                return Reply(body={"order": {**order, "packages": self.packages.get(order_id, [])}})
        return refusal(404, "NotFound", "Order not found")

    def confirmShipment(self, call: Call) -> Reply:
        self.carry_out(call)
        return Reply(204)

    def carry_out(self, call: Call) -> None:
        order_id, detail = call.path.split("/")[4], call.json["packageDetail"]
        packages = self.packages.setdefault(order_id, [])
        packages[:] = [one for one in packages if one["packageReferenceId"] != detail["packageReferenceId"]]
        packages.append({name: detail[name] for name in ("packageReferenceId", "trackingNumber")})

    def webhook(self, call: Call) -> Reply:
        self.events.append(call)
        return Reply(204)


def refusal(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"errors": [{"code": code, "message": message}]})


def operation_of(call: Call) -> str:
    if call.path == "/auth/o2/token":
        return "token"
    if call.path == "/orders/2026-01-01/orders":
        return "searchOrders"
    if call.path.startswith("/orders/2026-01-01/orders/"):
        return "getOrder"
    return "confirmShipment" if call.path.endswith("/shipmentConfirmation") else "webhook"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def served(amazon: ScriptedAmazon) -> Iterator[str]:
    """The server on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = amazon.reply(Call(self.command, parts.path, query, dict(self.headers), body))
            if reply.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            raw = reply.raw() if reply.status != 204 else b""
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw) if reply.content_length is None else reply.content_length))
            self.end_headers()
            self.wfile.write(raw)
            if reply.content_length is not None:
                self.close_connection = True

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
