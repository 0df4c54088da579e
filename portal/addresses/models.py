"""Addresses, their statuses, and number ranges."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.addresses.numbers import Numbering
from portal.extensions import db
from portal.masterdata.models import PaymentTerms


class Purpose(StrEnum):
    """What the numbers of a range are for."""

    ORDER = "order"
    ADDRESS = "address"


class NumberRange(db.Model):
    """Numbers in a row, without gaps: the row is locked from the draw to the commit."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    purpose: Mapped[Purpose]
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(server_default="")
    digits: Mapped[int]
    next_number: Mapped[int] = mapped_column(BigInteger, server_default="1")
    last_number: Mapped[int] = mapped_column(BigInteger)

    @property
    def numbering(self) -> Numbering:
        return Numbering(self.prefix, self.digits, self.next_number, self.last_number)


class AddressStatus(db.Model):
    """What kind of customer an address is. Its range numbers the addresses created under it."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    name: Mapped[str]
    category: Mapped[str] = mapped_column(server_default="")
    number_range_id: Mapped[int] = mapped_column(ForeignKey("number_range.id"))
    payment_terms_id: Mapped[int | None] = mapped_column(ForeignKey("payment_terms.id"))

    number_range: Mapped[NumberRange] = relationship()
    payment_terms: Mapped[PaymentTerms | None] = relationship()

    __table_args__ = (Index("uq_address_status_tenant_id_name", "tenant_id", "name", unique=True),)


class Address(db.Model):
    """A customer. One buyer of a platform is one address, however many workers meet him at once."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    status_id: Mapped[int] = mapped_column(ForeignKey("address_status.id"))
    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"))
    number: Mapped[str]
    buyer_reference: Mapped[str]
    name: Mapped[str]
    company: Mapped[str]
    street: Mapped[str]
    street2: Mapped[str]
    street3: Mapped[str]
    postal_code: Mapped[str]
    city: Mapped[str]
    region: Mapped[str]
    country: Mapped[str]
    phone: Mapped[str]
    email: Mapped[str]
    vat_id: Mapped[str]
    # Casefolded copies: under a row policy lower() would cost a scan, a plain column does not.
    name_key: Mapped[str]
    surname_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    status: Mapped[AddressStatus] = relationship()

    __table_args__ = (
        Index("uq_address_buyer", "tenant_id", "platform_id", "buyer_reference", unique=True),
        Index("uq_address_tenant_id_number", "tenant_id", "number", unique=True),
        # With the id, which the list by name is sorted by too: of one name there may be thousands.
        Index("ix_address_tenant_id_name_key", "tenant_id", "name_key", "id"),
        Index("ix_address_tenant_id_surname_key", "tenant_id", "surname_key"),
    )
