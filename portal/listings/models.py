"""What users have chosen for the lists they read."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db


class ListColumns(db.Model):
    """The columns a user wants to see of a list, by name. No row: those that the list shows by itself."""

    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)  # of the page that shows the list
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    shown: Mapped[list[str]] = mapped_column(ARRAY(String))


class ListView(db.Model):
    """A list's address under a name: its filters, its order and its columns stand in the query.

    `user_id` is whose it is. One that is shared outlives its owner and is then nobody's.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id", ondelete="SET NULL"))
    path: Mapped[str]  # of the list
    query: Mapped[str]  # what follows the question mark, as the list writes it
    name: Mapped[str]
    shared: Mapped[bool]  # with everybody of the tenant

    @property
    def address(self) -> str:
        return f"{self.path}?{self.query}"

    __table_args__ = (
        CheckConstraint("shared OR user_id IS NOT NULL", name="in_sight"),
        Index("uq_list_view_name", "user_id", "path", text("lower(name)"), unique=True),
        Index("ix_list_view_path", "tenant_id", "path"),
    )
