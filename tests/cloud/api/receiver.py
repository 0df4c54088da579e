"""An account's own address: a little server that takes events, or does not."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """A call as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


@dataclass
class Receiver:
    """Answers 204, or what is next in line: a status, a status with an address to go to, or None to hang up."""

    url: str
    calls: list[Received] = field(default_factory=list)
    in_line: deque[int | tuple[int, str] | None] = field(default_factory=deque)


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            receiver.calls.append(Received(self.path, dict(self.headers), body))
            reply = receiver.in_line.popleft() if receiver.in_line else 204
            if reply is None:
                self.connection.close()
                return
            status, location = reply if isinstance(reply, tuple) else (reply, "")
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/kontor")
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
