"""The marketplace's memory: one SQLite file, or none at all."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seller (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, region TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    seller TEXT NOT NULL, order_id TEXT NOT NULL,
    marketplace TEXT NOT NULL, status TEXT NOT NULL, fulfilled_by TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    visible INTEGER NOT NULL,      -- searchOrders lists it from then on
    as_it_is INTEGER NOT NULL,     -- served byte for byte
    body BLOB NOT NULL,
    UNIQUE (seller, order_id)
);
CREATE INDEX IF NOT EXISTS orders_updated ON orders (seller, updated, seq);
CREATE INDEX IF NOT EXISTS orders_created ON orders (seller, created, seq);
CREATE INDEX IF NOT EXISTS orders_pending ON orders (status, seq) WHERE status = 'PENDING';
CREATE TABLE IF NOT EXISTS confirmation (
    seller TEXT NOT NULL, order_id TEXT NOT NULL, reference TEXT NOT NULL,
    confirmed INTEGER NOT NULL, edited INTEGER, edits INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (seller, order_id, reference)
);
CREATE TABLE IF NOT EXISTS code (
    code TEXT PRIMARY KEY, seller TEXT NOT NULL, redirect_uri TEXT NOT NULL,
    issued INTEGER NOT NULL, used INTEGER
);
CREATE TABLE IF NOT EXISTS refresh_token (
    token TEXT PRIMARY KEY, seller TEXT NOT NULL, issued INTEGER NOT NULL, revoked INTEGER
);
CREATE TABLE IF NOT EXISTS access_token (
    token TEXT PRIMARY KEY, seller TEXT, refresh_token TEXT, scope TEXT, issued INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


class Store:
    """One connection, used by one thread at a time: what a transaction stamps is seen in that order."""

    def __init__(self, file: Path | None) -> None:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            file or ":memory:", check_same_thread=False, isolation_level=None, timeout=10
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._lock = threading.RLock()
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and nobody else meanwhile. One inside another belongs to the outer."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                if self._depth == 1:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def close(self) -> None:
        with self._lock:
            self._connection.close()
