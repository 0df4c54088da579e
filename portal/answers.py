"""What a server of others answers, read within limits: one that sends without end costs a bounded memory and time."""

from __future__ import annotations

import time
from contextlib import ExitStack

import requests
import urllib3

# A page of 500 orders is some 2 MB; one order of 10,000 lines some 4 MB from a cloud, and ten from Amazon.
MOST_BYTES = 32 * 1024 * 1024
# A body as a whole, however slowly it trickles in: the time-out of a session is for each piece.
BODY_SECONDS = 60
PIECE = 256 * 1024


class TooLarge(requests.RequestException):
    """The answer is longer than MOST_BYTES."""


def read(response: requests.Response) -> requests.Response:
    """Read the body of an answer that was asked for as a stream, and keep it there.

    Raises TooLarge; ReadTimeout where it takes longer than BODY_SECONDS, or a piece of it longer than its time-out;
    ConnectionError where it breaks off.
    """
    until, body, request = time.monotonic() + BODY_SECONDS, bytearray(), response.request
    with ExitStack() as unread:
        unread.callback(response.close)
        try:
            # Not read(): it waits until it has as much as was asked for.
            while piece := response.raw.read1(PIECE, decode_content=True):
                body += piece
                if len(body) > MOST_BYTES:
                    raise TooLarge("The answer is too large.", request=request)
                if time.monotonic() > until:
                    raise requests.ReadTimeout("The answer takes too long.", request=request)
        except urllib3.exceptions.TimeoutError as error:
            raise requests.ReadTimeout(error, request=request) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error
        unread.pop_all()
    response._content = bytes(body)
    response._content_consumed = True  # type: ignore[attr-defined]
    return response
