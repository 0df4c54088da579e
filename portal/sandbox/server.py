"""Serves the sandbox over real HTTP: a thread for each connection, which a fault may reset."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    """HTTP/1.1 without a line in the log for each call: /_sandbox/calls has them."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; with Nagle's algorithm the second waits for an acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def listen(app: Flask, port: int, host: str = "127.0.0.1") -> BaseWSGIServer:
    """A server that listens already. Raises OSError or SystemExit where the port is taken."""
    return make_server(host, port, app, threaded=True, request_handler=Handler)


def serve(app: Flask, port: int, host: str = "127.0.0.1") -> None:
    """Serve until SIGINT or SIGTERM; then stop the placer and close the store."""
    server = listen(app, port, host)

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    amazon, placer = app.extensions["amazon"], app.extensions["placer"]
    placer.start()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    server.server_close()
    placer.stop()
    amazon.store.close()
