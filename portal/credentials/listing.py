"""The list of credentials."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from portal.credentials.models import Credential
from portal.extensions import db
from portal.lists import Sort, Window, count_up_to

BY_NAME = Sort("name", (Credential.name,))


def rows(window: Window) -> Sequence[Credential]:
    found: Sequence[Credential] = db.session.scalars(window.on(select(Credential))).all()
    return found


def count() -> int | None:
    return count_up_to(select(Credential.id))
