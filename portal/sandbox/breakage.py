"""Answers that are broken on purpose, down to the TCP connection."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# SO_LINGER on, for 0 seconds: closing sends RST at once and drops what was not sent.
_ABORT = struct.pack("ii", 1, 0)


class Reset(Response):
    """No answer: the connection is reset."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        connection: socket.socket = environ["werkzeug.socket"]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        # Detached, for the server holds the socket by a second hand and would close it politely.
        os.close(connection.detach())
        raise ConnectionResetError("reset on purpose")


class Truncated(Response):
    """The head promises the whole body; the connection ends in the middle of it."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = self.get_data()
        start_response(self.status, self.headers.to_wsgi_list())
        return self._half(body, environ["werkzeug.socket"])

    @staticmethod
    def _half(body: bytes, connection: socket.socket) -> Iterator[bytes]:
        yield body[: len(body) // 2]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("cut off on purpose")


def unavailable() -> Response:
    """What a load balancer says when there is nobody behind it."""
    page = "<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"
    return Response(page, 503, mimetype="text/html")
