"""Logs: one JSON object a line, events in the past tense with fields, never a token or a person's data."""

from __future__ import annotations

import logging
import sys

import structlog


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
