"""Claims: who works on a row, and whether anybody does.

A claim is a PostgreSQL advisory lock on a connection of its own. It goes with the process, so what nobody
claims has lost its worker, at once and without a time-out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from sqlalchemy import func, select

from portal.extensions import db


class Claimed(IntEnum):
    """The first half of a lock's key: of which table the id is."""

    RUN = 71
    ACTION_RUN = 72
    TASK_RUN = 73


@contextmanager
def claim(table: Claimed, id: int) -> Iterator[bool]:
    """True where the row is ours until the block ends or this process dies, False where it is another's."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
        if not lock.scalar(select(func.pg_try_advisory_lock(int(table), id))):
            yield False
            return
        try:
            yield True
        finally:
            lock.execute(select(func.pg_advisory_unlock(int(table), id)))


def is_unclaimed(table: Claimed, id: int) -> bool:
    """True if nobody works on the row at this moment."""
    with claim(table, id) as free:
        return free
