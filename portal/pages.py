"""Which parts have pages, and at which addresses."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    pass
