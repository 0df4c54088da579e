"""HTTP with limits: a server that sends without end, or hangs, costs a bounded amount of memory and time."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from portal import answers

CONNECT_SECONDS = 5
READ_SECONDS = 30


class LimitedAdapter(HTTPAdapter):
    """Reads each body here, within the limits above and those of portal/answers.py."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["stream"] = True
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return answers.read(super().send(request, *args, **kwargs))


def limit(session: requests.Session) -> None:
    """Hold the session to the limits."""
    session.mount("https://", LimitedAdapter())
    session.mount("http://", LimitedAdapter())
