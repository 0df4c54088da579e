"""Moments are whole milliseconds since 1970 in UTC, and ISO 8601 on the wire."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now() -> int:
    return time.time_ns() // 1_000_000


def text(moment: int) -> str:
    """ISO 8601 in UTC. Milliseconds appear where there are any, as in Amazon's own answers."""
    seconds, milliseconds = divmod(moment, SECOND)
    fraction = f".{milliseconds:03}" if milliseconds else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def parse(value: str) -> int:
    """Read a date and time that names its zone. Raises ValueError."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} names no time zone")
    try:
        return (moment - EPOCH) // timedelta(milliseconds=1)
    except OverflowError as overflow:
        raise ValueError(f"{value!r} is out of range") from overflow
