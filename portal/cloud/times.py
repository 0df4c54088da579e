"""Times as the API tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def utc(time: datetime) -> datetime: ...
@overload
def utc(time: None) -> None: ...


def utc(time: datetime | None) -> datetime | None:
    """The time in UTC, whatever zone the database speaks in."""
    return time.astimezone(UTC) if time is not None else None
