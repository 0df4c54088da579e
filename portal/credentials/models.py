"""Credential records."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db


class Kind(StrEnum):
    """What a credential opens. The list is open: a new kind brings its own test."""

    CLOUD = "cloud"


class Credential(db.Model):
    """Access to a cloud. The secret is sealed and never shown again."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    kind: Mapped[Kind]
    name: Mapped[str]
    address: Mapped[str]
    client_id: Mapped[str]
    client_secret: Mapped[bytes] = mapped_column(server_default="")
    webhook_secret: Mapped[bytes | None]  # sealed; the cloud signs its events with it
    tested_at: Mapped[datetime | None]
    test_problem: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("uq_credential_tenant_id_name", "tenant_id", "name", unique=True),)

    @property
    def secret_place(self) -> str:
        """What the sealed secret is bound to."""
        return f"credential/{self.tenant_id}/{self.id}/client_secret"

    @property
    def webhook_place(self) -> str:
        """What the sealed webhook secret is bound to."""
        return f"credential/{self.tenant_id}/{self.id}/webhook_secret"
