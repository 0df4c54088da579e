"""What only operators see: the queues of the whole installation, as rq-dashboard shows them. Read-only.

rq-dashboard 0.9 is older than RQ 3: it reads jobs with pickle where ours are JSON, and changes state
by GET and without a CSRF token. Both are put right here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Flask, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from rq_dashboard import web
from werkzeug.exceptions import NotFound

from jobs.queues import in_line
from portal.extensions import login
from portal.tenants.models import Role

PREFIX = "/operations"
ITS_QUEUES = web.serialize_queues
CHANGES_BY_GET = "rq_dashboard.requeue_all"

# Its pages are made of inline scripts and of templates compiled in the browser.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)


class JSONJob(Job):
    """A job whose arguments are JSON."""

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> Job:
        return super().fetch(id, connection=connection, serializer=serializer or JSONSerializer)


class JSONWorker(Worker):
    """A worker whose jobs are JSON."""

    @classmethod
    def all(cls, connection: Any = None, **options: Any) -> list[BaseWorker]:  # type: ignore[override]
        return super().all(connection=connection, serializer=JSONSerializer, **options)


def init_app(app: Flask) -> None:
    """Mount the dashboard of the queues behind the operator's role."""
    app.config["RQ_DASHBOARD_REDIS_URL"] = app.config["REDIS_URL"]
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True
    web.config.serializer = JSONSerializer
    web.Job, web.Worker = JSONJob, JSONWorker
    web.serialize_queues = _with_lines
    web.setup_rq_connection(app)
    app.before_request(_operators_only)
    app.register_error_handler(NoSuchJobError, _gone)
    app.after_request(_allow_its_scripts)
    app.register_blueprint(web.blueprint, url_prefix=PREFIX)


def _with_lines(instance: int, queues: Sequence[Queue]) -> list[dict[str, Any]]:
    """The queues as it lists them, with what stands in line for them (jobs/turns.py), of which it does not know."""
    listed: list[dict[str, Any]] = ITS_QUEUES(instance, queues)
    for each in listed:
        each["count"] += sum(len(jobs) for jobs in in_line(each["name"]).values())
    return listed


def _operators_only() -> ResponseReturnValue | None:
    if request.blueprint != web.blueprint.name:
        return None
    if not current_user.is_authenticated:
        return login.unauthorized()
    if not current_user.may(Role.OPERATOR) or (request.view_args or {}).get("instance_number"):
        abort(404)  # there is one Redis, number 0
    if request.method not in ("GET", "HEAD") or request.endpoint == CHANGES_BY_GET:
        abort(403, "The queues are shown here, not changed. What went wrong is tried again by itself.")
    return None


def _gone(error: NoSuchJobError) -> ResponseReturnValue:
    """A job that has ended is forgotten after a while; its address may still be open somewhere."""
    return current_app.handle_http_exception(NotFound())


def _allow_its_scripts(response: Response) -> Response:
    if request.blueprint == web.blueprint.name:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response
