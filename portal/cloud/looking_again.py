"""Looking again: what was read once is read a second time, with the calls that the usage plan has to spare.

Updates become visible late. Minutes are covered by the overlap of two windows, but not where a window of many pages
lies behind: read again by each that follows, it would eat the plan. Hours are not covered at all. So once such an
overlap, and once a day the last three days are looked at again: a page at a time behind the regular windows, so that
no new order ever waits for it. How far it is lies in Redis. Lost, it is begun anew, and the inbox takes no version
twice.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from flask import current_app
from sqlalchemy import select

from portal.cloud import pages
from portal.cloud.connectors import ConnectionRevoked, Connector, PageTokenRefused
from portal.cloud.models import CloudPlatform, ConnectionState
from portal.cloud.pages import Cursor, PageRepeated
from portal.errors import Refused, Unavailable
from portal.extensions import db, redis

log = structlog.get_logger()

# A window reaches back beyond the watermark by this much. Updates become visible some minutes after
# the time they carry, and bounds are inclusive, so neighbours must overlap; the version rule of the
# inbox makes the repeats harmless.
OVERLAP = timedelta(minutes=10)
# Updates that became visible hours late were reported.
EVERY = timedelta(hours=24)
BACK = timedelta(days=3)
# These stay for new orders.
SPARE_CALLS = 10
# A window of more pages is not read again by the overlap of each that follows.
OVERLAP_PAGES = 3
# How long to let it be where the marketplace lost its way.
REST = timedelta(hours=1)


def next_window_from(platform_id: int, watermark: datetime) -> datetime:
    """Where the window behind this watermark begins: before it, but not within what is looked at again by itself."""
    crowded = _crowded_ends(platform_id)
    begins = watermark - OVERLAP
    return max(begins, min(crowded[-1], watermark)) if crowded else begins


def note_window(platform_id: int, cursor: Cursor) -> None:
    """A regular window was read to its end, which was this page."""
    for end in _crowded_ends(platform_id):
        if cursor.window_from <= end - OVERLAP:
            _forget_end(platform_id, end)
    if cursor.page > OVERLAP_PAGES:
        redis().zadd(_crowded(platform_id), {cursor.window_to.isoformat(): cursor.window_to.timestamp()})
        redis().expire(_crowded(platform_id), EVERY)
    if cursor.window_to - cursor.window_from >= _back():
        redis().set(_rescanned(platform_id), 1, ex=EVERY)


def look_again(platform_id: int, connector: Connector, until: float) -> None:
    """Read on, page by page, until the regular window is due, the plan has nothing to spare, or all is read.

    Commits by the page. `until` is a time of time.monotonic(). What the marketplace refuses or fails at is no failure
    of collecting. Raises ConnectionRevoked.
    """
    due = db.session.scalar(select(CloudPlatform.next_collect_at).where(CloudPlatform.id == platform_id))
    while time.monotonic() < until and connector.spare_calls() >= SPARE_CALLS:
        platform = db.session.get(CloudPlatform, platform_id, populate_existing=True)
        cursor = _cursor(platform) if platform is not None and _has_time(platform, due) else None
        db.session.commit()  # no transaction stays open while the marketplace thinks
        if cursor is None:
            return
        if cursor.token is None:
            pages.forget(platform_id, cursor)
        try:
            page = pages.ask(platform_id, connector, cursor)
        except ConnectionRevoked:
            raise
        except (PageTokenRefused, PageRepeated) as lost:
            redis().delete(_under_way(platform_id))
            redis().set(_resting(platform_id), 1, ex=REST)
            log.info("not_looked_again", platform=platform_id, problem=str(lost)[:200])
            return
        except (Refused, Unavailable) as problem:
            log.info("not_looked_again", platform=platform_id, problem=str(problem)[:200])
            return
        platform = db.session.get(CloudPlatform, platform_id, with_for_update=True, populate_existing=True)
        if platform is None or platform.connection != ConnectionState.AUTHENTICATED:
            db.session.rollback()
            return
        received = pages.keep(platform, cursor, page)
        db.session.commit()
        log.info("page_looked_at_again", page=cursor.page, orders=received.orders, written=received.written)
        if page.next_token is None:
            _note_end(platform_id, cursor)
        else:
            _go_on(platform_id, cursor, page.next_token)
        pages.remember(platform_id, cursor, page)  # last: a page that is asked for again is no repetition


def _has_time(platform: CloudPlatform, due: datetime | None) -> bool:
    """False once somebody wants a regular window. `due` is when it was to be when we began."""
    now, wanted = datetime.now(UTC), platform.next_collect_at
    if due is None or not platform.active or platform.connection != ConnectionState.AUTHENTICATED:
        return False
    if wanted == due:
        return due > now
    if wanted is not None and wanted > now:  # claimed by a scheduler, whose collector has found us here and gone again
        platform.next_collect_at = now
    return False


def _cursor(platform: CloudPlatform) -> Cursor | None:
    """The page under way, or the first of what is to be looked at again now."""
    under_way = redis().get(_under_way(platform.id))
    if isinstance(under_way, bytes):
        return msgspec.json.decode(under_way, type=Cursor)
    watermark = platform.watermark
    if watermark is None or redis().exists(_resting(platform.id)):
        return None
    for end in _crowded_ends(platform.id):
        if watermark - end >= OVERLAP:
            return Cursor(end - OVERLAP, end)
    if not redis().exists(_rescanned(platform.id)):
        return Cursor(watermark - _back(), watermark)
    return None


def _go_on(platform_id: int, cursor: Cursor, token: str) -> None:
    onward = msgspec.json.encode(msgspec.structs.replace(cursor, token=token, page=cursor.page + 1))
    # A page token lives a day, from the first page on.
    if cursor.token is None:
        redis().set(_under_way(platform_id), onward, ex=EVERY)
    else:
        redis().set(_under_way(platform_id), onward, keepttl=True)


def _note_end(platform_id: int, cursor: Cursor) -> None:
    redis().delete(_under_way(platform_id))
    if cursor.window_to - cursor.window_from >= _back():
        redis().set(_rescanned(platform_id), 1, ex=EVERY)
    else:
        _forget_end(platform_id, cursor.window_to)


def _back() -> timedelta:
    """As far as a rescan reaches: never further than a new connection does."""
    return min(BACK, timedelta(days=current_app.config["COLLECT_SINCE_DAYS"]))


def _crowded_ends(platform_id: int) -> list[datetime]:
    """The ends of windows of many pages that are still to be looked at again, the earliest first."""
    members: Any = redis().zrange(_crowded(platform_id), 0, -1)
    return [datetime.fromisoformat(member.decode()) for member in members]


def _forget_end(platform_id: int, end: datetime) -> None:
    redis().zrem(_crowded(platform_id), end.isoformat())


def _crowded(platform_id: int) -> str:
    """The key of the ends of windows of many pages. Lost, each overlap looks at them again."""
    return f"kontor:crowded:{platform_id}"


def _rescanned(platform_id: int) -> str:
    """The key that stands while the last rescan is fresh."""
    return f"kontor:rescanned:{platform_id}"


def _under_way(platform_id: int) -> str:
    """The key of the page that is to be looked at next."""
    return f"kontor:looking-again:{platform_id}"


def _resting(platform_id: int) -> str:
    return f"kontor:looking-again-rests:{platform_id}"
