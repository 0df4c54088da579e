"""What holds for every request: the transaction, the headers, the errors in words."""

from __future__ import annotations

import redis as redis_errors
import structlog
from flask import Flask, Response, g, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound
from werkzeug.middleware.proxy_fix import ProxyFix

from portal import migration
from portal.errors import Refused, Unavailable
from portal.extensions import db, redis

log = structlog.get_logger()

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)


def init_app(app: Flask) -> None:
    if app.config["TRUSTED_PROXIES"]:
        hops = app.config["TRUSTED_PROXIES"]
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.after_request(_end_transaction)
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, _explain)
    app.register_error_handler(CSRFError, _explain_csrf)
    app.register_error_handler(Refused, _explain_refusal)
    app.register_error_handler(Unavailable, _explain_unavailable)
    app.register_error_handler(OperationalError, _explain_database)
    app.add_url_rule("/health", "health", _health)


def _end_transaction(response: Response) -> Response:
    """The request is the door that owns the transaction: what was refused leaves no trace."""
    if response.status_code < 400 or g.get("keep_transaction"):
        db.session.commit()
    else:
        db.session.rollback()
    return response


def _add_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _explain(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        log.error("request_failed", route=_route(), exc_info=error.original_exception)
    if error.response is not None or (error.code or 500) < 400:
        return error
    said = error.description or error.name
    if isinstance(error, MethodNotAllowed):
        said = _("There is no page at this address; it only takes what is sent to it.")
    return _answer(error.code or 500, said, list(error.get_headers()))


def _explain_csrf(error: CSRFError) -> ResponseReturnValue:
    if request.path == url_for("tenants.sign_in"):
        return redirect(url_for("tenants.sign_in"))
    return _answer(
        400,
        _("This form belongs to another session. Load the page again and send it from there."),
    )


def _explain_refusal(error: Refused) -> ResponseReturnValue:
    return _answer(422, str(error))


def _explain_unavailable(error: Unavailable) -> ResponseReturnValue:
    headers = [("Retry-After", str(int(error.retry_after) + 1))] if error.retry_after else []
    return _answer(503, str(error), headers)


def _explain_database(error: OperationalError) -> ResponseReturnValue:
    log.error("database_failed", route=_route(), exc_info=error)
    return _answer(503, _("The database does not answer. Nothing was changed; try again in a moment."))


def _route() -> str:
    """The kind of page, for the log: its address itself may hold the token of a link."""
    return str(request.url_rule)


def _answer(status: int, sentence: str, headers: list[tuple[str, str]] | None = None) -> ResponseReturnValue:
    """The error as a problem document (RFC 9457) for machines, as a page or a fragment for people."""
    kept = [(name, value) for name, value in headers or [] if name.lower() not in ("content-type", "content-length")]
    if request.path.startswith("/cloud/") or request.accept_mimetypes.best == "application/json":
        problem = jsonify(type="about:blank", title=HTTP_TITLES.get(status, "Error"), status=status, detail=sentence)
        problem.content_type = "application/problem+json"
        response: Response = make_response(problem, status)
    else:
        response = make_response(render_template("errors/error.html", status=status, sentence=sentence), status)
    for name, value in kept:
        response.headers[name] = value
    return response


HTTP_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Media type not supported",
    422: "Not accepted",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}


def _health() -> ResponseReturnValue:
    """200 when database and Redis answer, else 503 and which of them does not.

    A database that waits for its migration fails too: the servers of a new version are not to be used before.
    One that a newer Kontor has migrated does not, or an upgrade would take down all that is still running.
    """
    problems = {}
    try:
        versions = set(db.session.scalars(text(migration.VERSIONS)))
        if not migration.is_newest(versions):
            problems["database"] = migration.BEHIND
    except OperationalError:
        problems["database"] = "does not answer"
    except ProgrammingError:  # there is no such table yet
        problems["database"] = migration.BEHIND
    except Refused:
        pass
    try:
        redis().ping()
    except redis_errors.RedisError:
        problems["redis"] = "does not answer"
    if problems:
        return jsonify(status="failing", **problems), 503
    return jsonify(status="ok")


def not_found() -> NotFound:
    """What a foreign id answers: the same as an id that never was."""
    return NotFound()
