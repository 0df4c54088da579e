"""Amazon's API over HTTP: a thin client that turns everything Amazon's servers can answer into our errors.

Each call takes one from its usage plan, carries the access token, and is logged with Amazon's request
id, never with a token or a person's data.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
import structlog

from portal.cloud.connectors import NothingCame, Unanswered
from portal.cloud.connectors.amazon.plans import Plans
from portal.cloud.connectors.amazon.tokens import USER_AGENT, Tokens
from portal.cloud.connectors.amazon.transport import limit
from portal.cloud.connectors.amazon.wire import Error, read_errors
from portal.errors import Refused, Unavailable
from portal.sentences import sentence

log = structlog.get_logger()

# What may be repeated is, briefly; each repetition costs a call of the plan.
TRIES = 3
PAUSE_SECONDS = 0.5
# Where calls are rarer than this (a second), repeating would spend what the next pages need.
RARE = 0.1
# How long to leave a server alone that is failing.
REST_SECONDS = 30.0


class Rejected(Refused):
    """Amazon understood the call and refuses it. `reasons` are its codes and messages."""

    def __init__(self, message: str, status: int, reasons: tuple[str, ...]) -> None:
        super().__init__(message)
        self.status = status
        self.reasons = reasons


class AccessRefused(Rejected):
    """The token is good, but the application or the seller may not do this (401, 403)."""


class Paused(Unavailable):
    """Amazon counts otherwise than we do: the plan is used up (429). The call was not carried out."""


class NotThere(Rejected):
    """Amazon has no such thing (404)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A success. `request_id` is what Amazon's support asks for."""

    body: bytes
    request_id: str


@dataclass(slots=True)
class Client:
    """Calls for one seller."""

    api: str
    tokens: Tokens
    plans: Plans
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        limit(self.session)

    def get(self, operation: str, path: str, params: Mapping[str, str]) -> Answer:
        """Read. Failures of server and network are tried again.

        Raises Rejected, ConnectionRevoked, ApplicationRefused, Unavailable.
        """
        return self._tried(operation, (Paused, Unanswered), "GET", path, params=params)

    def post(self, operation: str, path: str, body: Any) -> Answer:
        """Write. Raises Unanswered where the write may have been carried out; that is not tried again."""
        return self._tried(operation, (Paused,), "POST", path, json=body)

    def _tried(self, operation: str, passing: tuple[type[Unavailable], ...], *request: str, **content: Any) -> Answer:
        for number in range(TRIES):
            try:
                return self._call(operation, *request, **content)
            except passing as problem:
                if number == TRIES - 1 or self.plans.rate(operation) < RARE:
                    raise
                pause = PAUSE_SECONDS * 2**number * random.uniform(0.5, 1)
                time.sleep(max(pause, problem.retry_after or 0) if isinstance(problem, Paused) else pause)
        raise AssertionError

    def _call(self, operation: str, method: str, path: str, **content: Any) -> Answer:
        """One call; a second with a new token where the first was turned away at the door."""
        token = self.tokens.access_token()
        response = self._send(operation, method, path, token, content)
        if response.status_code in (401, 403):
            # A token can be withdrawn before its hour is over; if a new one is refused too, it is a matter of rights.
            self.tokens.forget(token)
            response = self._send(operation, method, path, self.tokens.access_token(), content)
        return self._judged(operation, response)

    def _send(self, operation: str, method: str, path: str, token: str, content: dict[str, Any]) -> requests.Response:
        self.plans.take(operation)
        now = datetime.now(UTC)
        headers = {
            "x-amz-access-token": token,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
        }
        began = time.monotonic()
        status: int | str = "none"
        request_id = ""
        try:
            response = self.session.request(method, self.api + path, headers=headers, allow_redirects=False, **content)
            status, request_id = response.status_code, _request_id(response)
        except requests.RequestException as error:
            status = type(error).__name__
            raise NothingCame(sentence("Amazon did not answer, or not to the end."), REST_SECONDS) from error
        finally:
            took = round((time.monotonic() - began) * 1000)
            log.info("amazon_called", operation=operation, status=status, ms=took, request_id=request_id)
        if status != 429:
            self.plans.take_up(operation, response.headers.get("x-amzn-RateLimit-Limit"))
        return response

    def _judged(self, operation: str, response: requests.Response) -> Answer:
        """The status decides; only then does anyone look into the body."""
        status = response.status_code
        if 200 <= status < 300:
            return Answer(response.content, _request_id(response))
        if status == 429:
            wait = self.plans.drain(operation)
            pause = sentence("Amazon asks for a pause: the usage plan is used up.")
            raise Paused(pause, wait * random.uniform(1, 1.2))
        if status >= 500 or status < 400:
            raise Unanswered(sentence("Amazon's server failed (%(status)s).", status=status), REST_SECONDS)
        errors = read_errors(response.content)
        reasons = tuple(_reason(error) for error in errors)
        words = "; ".join(error.message or error.code or "" for error in errors)[:500].replace("\0", "")
        said = f"{status}: {words}" if words else str(status)
        kind = {401: AccessRefused, 403: AccessRefused, 404: NotThere}.get(status, Rejected)
        if kind is AccessRefused:
            denied = sentence("Amazon denies access; a role may be missing (%(said)s).", said=said)
            raise AccessRefused(denied, status, reasons)
        raise kind(sentence("Amazon refuses the call (%(said)s).", said=said), status, reasons)


def _reason(error: Error) -> str:
    """Code, message and details; Amazon's messages often begin with the code."""
    code, message = error.code or "", error.message or ""
    return " ".join(filter(None, ("" if message.startswith(code) else code, message, error.details)))


def _request_id(response: requests.Response) -> str:
    return str(response.headers.get("x-amzn-RequestId", ""))[:100].replace("\0", "")
