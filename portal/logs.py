"""Logs: one JSON object a line, events in the past tense with fields, never a token or a person's data."""

from __future__ import annotations

import logging
import sys

import psycopg
import structlog
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext


def configure() -> None:
    """Set up structlog once a process. Whatever is bound (tenant, run) stands on every line."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def without_values(error: BaseException) -> None:
    """Keep of an error of PostgreSQL's what it says first: behind it stand values of the row, that is of people."""
    error.args = tuple(part.partition("\n")[0] if isinstance(part, str) else part for part in error.args)


@event.listens_for(Engine, "handle_error")
def _tell_no_values(context: ExceptionContext) -> None:
    # Both are shown, one as the cause of the other, and not only in our logs: the queue keeps what ended a job.
    if isinstance(context.original_exception, psycopg.Error):
        without_values(context.original_exception)
        if context.sqlalchemy_exception is not None:
            without_values(context.sqlalchemy_exception)
