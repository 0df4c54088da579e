"""Who comes in: each call of the API belongs to an account, bears an id, and leaves a line in the log."""

from __future__ import annotations

import secrets
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

from portal.cloud import tokens
from portal.extensions import db
from portal.scope import account

log = structlog.get_logger()

PREFIX = "/cloud/"


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_leave)


def authenticate() -> None:
    """Put the account of the request's token in scope. Raises OAuth2Error."""
    enter(tokens.token_of_request().account_id)


def enter(account_id: int) -> None:
    """See this account's rows until the request is over."""
    g.account_scope = account(account_id)
    g.account_scope.__enter__()
    structlog.contextvars.bind_contextvars(account=account_id)


def _begin() -> None:
    if request.path.startswith(PREFIX):
        g.began = time.monotonic()
        structlog.contextvars.bind_contextvars(request=_request_id())


def _end(response: Response) -> Response:
    if request.path.startswith(PREFIX):
        response.headers["X-Request-Id"] = _request_id()
        took = round((time.monotonic() - g.get("began", time.monotonic())) * 1000, 1)
        # Never the path: some bear a one-time token.
        log.info("cloud_answered", operation=request.endpoint, status=response.status_code, ms=took)
    return response


def _leave(error: BaseException | None) -> None:
    scope: Any = g.pop("account_scope", None)
    if scope is not None:
        try:
            db.session.rollback()
        finally:  # not even a lost database may leave the account in sight of this thread's next call
            scope.__exit__(None, None, None)
    if request.path.startswith(PREFIX):
        structlog.contextvars.unbind_contextvars("request", "account")


def _request_id() -> str:
    """Made on first use: an answer may be given before our own turn comes."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(8)
    return str(g.request_id)
