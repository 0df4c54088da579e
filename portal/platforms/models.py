"""Platforms."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.addresses.models import AddressStatus
from portal.credentials.models import Credential
from portal.extensions import db


class Connection(StrEnum):
    """Whether the cloud may speak to the marketplace for the seller."""

    NOT_AUTHENTICATED = "not_authenticated"
    AUTHENTICATED = "authenticated"
    REVOKED = "revoked"


class Platform(db.Model):
    """A marketplace account of a tenant, known to the cloud by its name and then by its reference."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    number: Mapped[int]
    name: Mapped[str]
    name_key: Mapped[str]  # casefolded, without spaces: what "the same name" means, here and in the cloud
    kind: Mapped[str] = mapped_column(server_default="amazon")
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    credential_id: Mapped[int] = mapped_column(ForeignKey("credential.id"))
    marketplaces: Mapped[str]  # as people write them: "DE;UK;PL"
    reference: Mapped[str | None]  # the cloud's id of the platform
    connection: Mapped[Connection] = mapped_column(server_default=Connection.NOT_AUTHENTICATED.value)
    connection_problem: Mapped[str | None]
    seller_id: Mapped[str | None]
    authorized_at: Mapped[datetime | None]
    freight_article: Mapped[str] = mapped_column(server_default="FREIGHT")
    address_status_id: Mapped[int] = mapped_column(ForeignKey("address_status.id"))
    next_fetch_at: Mapped[datetime | None]
    last_fetch_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    credential: Mapped[Credential] = relationship()
    address_status: Mapped[AddressStatus] = relationship()

    __table_args__ = (
        # The cloud compares names without case and spaces; so must we, or two tabs could both win.
        Index("uq_platform_tenant_id_name_key", "tenant_id", "name_key", unique=True),
        Index("uq_platform_tenant_id_number", "tenant_id", "number", unique=True),
    )
