"""HTTP with limits: a server that sends without end, or hangs, costs a bounded amount of memory and time."""

from __future__ import annotations

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

CONNECT_SECONDS = 5
READ_SECONDS = 30
# A body as a whole, however slowly it trickles in.
BODY_SECONDS = 60
# A page of 100 orders has about half a megabyte; one order of 10,000 lines has ten.
MOST_BYTES = 32 * 1024 * 1024


class LimitedAdapter(HTTPAdapter):
    """Reads each body here, within the limits above. A longer or slower one is a ConnectionError."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["stream"] = True
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        response = super().send(request, *args, **kwargs)
        until = time.monotonic() + BODY_SECONDS
        body = bytearray()
        try:
            for piece in response.iter_content(64 * 1024):
                body += piece
                if len(body) > MOST_BYTES or time.monotonic() > until:
                    raise requests.ConnectionError("The answer is too long or too slow.")
        except BaseException:
            response.close()
            raise
        response._content = bytes(body)
        return response


def limit(session: requests.Session) -> None:
    """Hold the session to the limits."""
    session.mount("https://", LimitedAdapter())
    session.mount("http://", LimitedAdapter())
