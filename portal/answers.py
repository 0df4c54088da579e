"""What a server of others answers, read within limits: one that sends without end costs a bounded memory and time."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import requests
import urllib3

# A page of 500 orders is some 2 MB; one order of 10,000 lines some 4 MB from a cloud, and ten from Amazon.
MOST_BYTES = 32 * 1024 * 1024
# Status line and headers, and then a body, each as a whole: the time-out of a session is for each piece.
HEAD_SECONDS = 60
BODY_SECONDS = 60
PIECE = 256 * 1024


class TooLarge(requests.RequestException):
    """The answer is longer than MOST_BYTES."""


def read(response: requests.Response) -> requests.Response:
    """Read the body of an answer that was asked for as a stream, and keep it there.

    Raises TooLarge; ReadTimeout where it takes longer than BODY_SECONDS, or a piece of it longer than its time-out;
    ConnectionError where it breaks off.
    """
    body, request = bytearray(), response.request
    with ExitStack() as unread, _connection(response) as connection:
        unread.callback(response.close)
        try:
            with within(BODY_SECONDS, connection):
                # Not read(): it waits until it has as much as was asked for.
                while piece := response.raw.read1(PIECE, decode_content=True):
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise TooLarge("The answer is too large.", request=request)
        except (TimeoutError, urllib3.exceptions.TimeoutError) as error:
            raise requests.ReadTimeout(error, request=request) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error
        unread.pop_all()
    response._content = bytes(body)
    response._content_consumed = True  # type: ignore[attr-defined]
    return response


@contextmanager
def within(seconds: float, connection: socket.socket | None) -> Iterator[None]:
    """Hang up the connection where the block takes longer, however slowly something trickles in. Raises TimeoutError.

    No time-out of a socket does that: it is for each piece, be it a header, the length of a chunk, or an empty block
    of something compressed.
    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(seconds, hang_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    except Exception as error:
        if late.is_set():
            raise TimeoutError("The answer takes too long.") from error
        raise
    finally:
        watch.cancel()
    if late.is_set():  # what was cut off in the right place passes for whole
        raise TimeoutError("The answer takes too long.")


@contextmanager
def _connection(response: requests.Response) -> Iterator[socket.socket | None]:
    """The connection that a body comes by, None where there is no body left: it is the library's, and this a copy."""
    try:
        copy = socket.socket(fileno=os.dup(response.raw.fileno()))
    except (OSError, ValueError, AttributeError):
        yield None
        return
    with copy:
        yield copy
