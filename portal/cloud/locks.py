"""Doing a thing alone: a PostgreSQL lock on a connection of its own, which goes with the process that held it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select

from portal.extensions import db

# The first half of a lock's key: what kind of thing is locked. 71 is a run of the portal's.
COLLECTOR = 72
SENDER = 73


@contextmanager
def alone(kind: int, id: int) -> Iterator[bool]:
    """True while nobody else is doing the same; False at once where somebody is."""
    key = id & 0x7FFFFFFF
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
        if not lock.scalar(select(func.pg_try_advisory_lock(kind, key))):
            yield False
            return
        try:
            yield True
        finally:
            lock.execute(select(func.pg_advisory_unlock(kind, key)))
