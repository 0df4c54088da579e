"""The list of platforms."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from portal.extensions import db
from portal.lists import Sort, Window, count_up_to
from portal.platforms.models import Platform

BY_NUMBER = Sort("number", (Platform.number,))


def rows(window: Window) -> Sequence[Platform]:
    found: Sequence[Platform] = db.session.scalars(window.on(select(Platform))).all()
    return found


def count() -> int | None:
    return count_up_to(select(Platform.id))
