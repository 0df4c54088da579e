"""The inbox as the account sees it: what waits for delivery, and what has been acknowledged.

This is the path that every order takes, so orders travel as the bytes they were stored as: no
JSON is read, no row becomes an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, LiteralString, cast

import msgspec
from psycopg import Connection
from psycopg import OperationalError as PsycopgError
from sqlalchemy.exc import OperationalError

from portal.cloud.times import utc
from portal.extensions import db
from portal.order import Collection

# One statement finds the platform as well: no row at all means that there is none.
WAITING = """
SELECT found.id, found.collection_id, found.payload
FROM cloud_platform LEFT JOIN LATERAL (
    SELECT id, collection_id, payload FROM cloud_order
    WHERE platform_id = cloud_platform.id AND state = 'waiting' AND id > %s
    ORDER BY id LIMIT %s
) found ON true
WHERE cloud_platform.reference = %s
ORDER BY found.id
"""
# Each id by the unique index, whatever the planner thinks of the table's size.
LOOK_UP = """
SELECT found.id, found.collection_id, found.payload
FROM cloud_platform LEFT JOIN LATERAL (
    SELECT o.id, o.collection_id, o.payload FROM unnest(%s::text[]) AS wanted(order_id) CROSS JOIN LATERAL (
        SELECT id, collection_id, payload FROM cloud_order
        WHERE platform_id = cloud_platform.id AND order_id = wanted.order_id OFFSET 0
    ) o
) found ON true
WHERE cloud_platform.reference = %s
ORDER BY found.id
"""
COLLECTIONS = """
SELECT id, operation, request_id, page, collected_at, window_from, window_to
FROM cloud_collection WHERE id = ANY(%s) ORDER BY id
"""
# The account may acknowledge an older version than the one that lies here by now. The newer one
# then goes on waiting; one that was cancelled begins to, since the account holds an order it
# should learn about. A version that is not newer than the last acknowledged one changes nothing.
# The ids stand there twice: as a join alone, the planner may read every order of the platform.
ACKNOWLEDGE = """
UPDATE cloud_order SET
    delivered_version = greatest(delivered_version, acknowledged.version),
    state = CASE
        WHEN state = 'waiting' AND cloud_order.version = acknowledged.version THEN 'delivered'
        WHEN state = 'cancelled' AND cloud_order.version > acknowledged.version THEN 'waiting'
        ELSE state
    END
FROM unnest(%s::text[], %s::timestamptz[]) AS acknowledged(order_id, version)
WHERE cloud_order.platform_id = %s
    AND cloud_order.order_id = ANY(%s)
    AND cloud_order.order_id = acknowledged.order_id
    AND acknowledged.version <= cloud_order.version
    AND (
        delivered_version IS NULL
        OR delivered_version < acknowledged.version
        OR (state = 'waiting' AND cloud_order.version = acknowledged.version)
    )
"""


def waiting(reference: str, after: int, limit: int) -> bytes | None:
    """A page of undelivered orders as the JSON of portal.order.Page; None where there is no such platform.

    At most `limit` orders behind the cursor `after`, in the order in which they first came. `next` is
    None when there was nothing behind the last one. Three statements at most, whatever the page's size.
    """
    return _page(WAITING, (after, limit, reference), limit)


def look_up(reference: str, order_ids: Sequence[str]) -> bytes | None:
    """The orders of these ids that were ever seen, in whatever state, as a page; None as for `waiting`."""
    return _page(LOOK_UP, (list(order_ids), reference), len(order_ids) + 1)


def _page(query: LiteralString, values: tuple[Any, ...], limit: int) -> bytes | None:
    # Binary: as text, PostgreSQL would send each payload in hex, twice as long.
    with _driver() as connection, connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query, values).fetchall()
        if not rows:
            return None
        if rows[0][0] is None:
            return b'{"orders":[],"collections":[],"next":null}'
        calls = cursor.execute(COLLECTIONS, (list({row[1] for row in rows}),)).fetchall()
    orders = b",".join([b'{"order":%b,"collection":%d}' % (payload, call) for _, call, payload in rows])
    collections = msgspec.json.encode([_collection(*call) for call in calls])
    following = b"%d" % rows[-1][0] if len(rows) == limit else b"null"
    return b"".join((b'{"orders":[', orders, b'],"collections":', collections, b',"next":', following, b"}"))


def acknowledge(platform_id: int, versions: Mapping[str, datetime]) -> int:
    """Record which version of which order the account holds; return for how many that was news.

    One statement. Orders that never were here, and versions that never were, change nothing.
    """
    # Sorted, so that two pages that overlap lock their rows in the same order.
    ids = sorted(versions)
    with _driver() as connection:
        # A plan made while the table was small is kept by the session, and would read all of it later.
        connection.execute("SELECT set_config('enable_seqscan', 'off', true)")
        cursor = connection.execute(ACKNOWLEDGE, (ids, [versions[id] for id in ids], platform_id, ids))
        return cursor.rowcount


def _collection(
    id: int,
    operation: str,
    request_id: str,
    page: int,
    collected_at: datetime,
    window_from: datetime | None,
    window_to: datetime | None,
) -> Collection:
    return Collection(id, operation, request_id, page, utc(collected_at), utc(window_from), utc(window_to))


@contextmanager
def _driver() -> Iterator[Connection[tuple[Any, ...]]]:
    """The session's connection as psycopg has it, inside the session's transaction and scope.

    SQLAlchemy does not see what fails in here: it is told of a lost connection, and its own error is raised.
    """
    connection = db.session.connection()
    try:
        yield cast(Connection[tuple[Any, ...]], connection.connection.driver_connection)
    except PsycopgError as error:
        connection.invalidate(error)
        raise OperationalError(None, None, error) from error
