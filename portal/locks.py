"""Doing a thing alone, and whether somebody is doing it.

A lock is a PostgreSQL advisory lock on a connection of its own. It goes with the process that held it, so what
nobody holds has lost its worker, at once and without a time-out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique

from sqlalchemy import func, select, text

from portal.extensions import db


@unique
class Lock(IntEnum):
    """What kind of thing is locked: the first half of a key, the portal's and the cloud's in one database."""

    RUN = 71
    ACTION_RUN = 72
    TASK_RUN = 73
    COLLECTOR = 74  # of a cloud platform
    MESSAGE = 75


@contextmanager
def alone(kind: Lock, id: int) -> Iterator[bool]:
    """True where it is ours until the block ends or this process dies; False at once where it is another's."""
    key = id & 0x7FFFFFFF
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
        if not lock.scalar(select(func.pg_try_advisory_lock(int(kind), key))):
            yield False
            return
        try:
            yield True
        finally:
            lock.execute(select(func.pg_advisory_unlock(int(kind), key)))


def held(kind: Lock) -> set[int]:
    """The ids of this kind that somebody works on at this moment: those of all tenants."""
    found = text(
        "SELECT objid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND classid = :kind AND granted"
    )
    return set(db.session.scalars(found, {"kind": int(kind)}))
