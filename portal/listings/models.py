"""What a user has chosen for the lists he reads."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db


class ListColumns(db.Model):
    """The columns a user wants to see of a list, by name. No row: those that the list shows by itself."""

    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)  # of the page that shows the list
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    shown: Mapped[list[str]] = mapped_column(ARRAY(String))
