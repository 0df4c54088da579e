"""Addresses, their statuses, and number ranges."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.addresses.numbers import FIRST_OF_YEAR, Numbering
from portal.extensions import db
from portal.masterdata.models import PaymentTerms
from portal.tenants.models import Tenant


class Purpose(StrEnum):
    """What the numbers of a range are for: addresses, or one type of documents, called as that type is."""

    ORDER = "order"
    INVOICE = "invoice"
    ADDRESS = "address"


class NumberRange(db.Model):
    """Numbers in a row, without gaps: the row is locked from the draw to the commit.

    Where it is `yearly` they begin anew each year: `number_year` counts them, and `next_number` rests.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    purpose: Mapped[Purpose]
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(server_default="")
    digits: Mapped[int]
    next_number: Mapped[int] = mapped_column(BigInteger, server_default="1")
    last_number: Mapped[int] = mapped_column(BigInteger)
    yearly: Mapped[bool] = mapped_column(server_default=false(), default=False)

    # Of addresses each status has a range, of documents each type has one.
    __table_args__ = (
        Index(
            "uq_number_range_of_documents",
            "tenant_id",
            "purpose",
            unique=True,
            postgresql_where=text("purpose <> 'address'"),
        ),
    )

    tenant: Mapped[Tenant] = relationship(viewonly=True)
    years: Mapped[list[NumberYear]] = relationship(passive_deletes=True, order_by="NumberYear.year.desc()")

    @property
    def numbering(self) -> Numbering:
        """What is given out next: of the present year, where the numbers begin anew each year."""
        return self.numbering_of(self.present_year if self.yearly else None)

    def numbering_of(self, year: int | None) -> Numbering:
        """The numbers of a year, or those that know none."""
        return Numbering(self.prefix, self.digits, self.next_of(year), self.last_number, year)

    def next_of(self, year: int | None) -> int:
        """The next number of a year, or of those that know none."""
        if year is None:
            return self.next_number
        return next((begun.next_number for begun in self.years if begun.year == year), FIRST_OF_YEAR)

    @property
    def present_year(self) -> int:
        """The year it is in the tenant's time zone."""
        return datetime.now(UTC).astimezone(ZoneInfo(self.tenant.time_zone)).year


class NumberYear(db.Model):
    """How far the numbers of one year have come."""

    range_id: Mapped[int] = mapped_column(ForeignKey("number_range.id", ondelete="CASCADE"), primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    next_number: Mapped[int] = mapped_column(BigInteger)


class NumberSkip(db.Model):
    """Numbers that were left out on purpose, from `first` to `last`, and why."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    range_id: Mapped[int] = mapped_column(ForeignKey("number_range.id", ondelete="CASCADE"))
    year: Mapped[int | None] = mapped_column(SmallInteger)
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_number_skip_range", "tenant_id", "range_id", "first"),)


def ledger_indexes(table: str) -> tuple[Index, Index]:
    """What the ledger reads of a table that bears numbers: two, since an index on NULLs serves no order behind them.

    With the id, as the key of its pages, and the time of drawing, so that a period is found without the rows.
    """
    ranges, key, time = ("tenant_id", "number_range_id"), ("number_value", "id"), ["created_at"]
    plain, yearly = text("number_year IS NULL"), text("number_year IS NOT NULL")
    return (
        Index(f"ix_{table}_ledger", *ranges, *key, postgresql_where=plain, postgresql_include=time),
        Index(
            f"ix_{table}_ledger_year", *ranges, "number_year", *key, postgresql_where=yearly, postgresql_include=time
        ),
    )


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
    """A customer. `platform_id` is where he came from first; one that was merged into another has nothing any more.

    No foreign key leads to that platform: he was written together with a document of it, which has one, and the
    check of each row was a twelfth of what a page of orders takes (tests/benchmarks/intake.py).
    """

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    status_id: Mapped[int] = mapped_column(ForeignKey("address_status.id"))
    platform_id: Mapped[int]
    number: Mapped[str]
    # What the number was drawn from (portal/addresses/ledger.py). No foreign key: intake holds the range locked.
    number_range_id: Mapped[int | None]
    number_year: Mapped[int | None] = mapped_column(SmallInteger)
    number_value: Mapped[int | None] = mapped_column(BigInteger)
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
    # What a returning customer is known by (portal/addresses/matching.py); empty where it is not known.
    email_key: Mapped[str]
    place_key: Mapped[str]
    merged_into_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("address.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    status: Mapped[AddressStatus] = relationship()
    merged_into: Mapped[Address | None] = relationship(remote_side=[id])

    __table_args__ = (
        Index(
            "uq_address_tenant_id_number",
            "tenant_id",
            "number",
            unique=True,
            postgresql_include=["merged_into_id"],  # without it counting those that are shown reads the table
        ),
        # With the id, which the list by name is sorted by too: of one name there may be thousands.
        Index("ix_address_tenant_id_name_key", "tenant_id", "name_key", "id"),
        Index("ix_address_tenant_id_surname_key", "tenant_id", "surname_key"),
        # With the id: the oldest of those that are alike is wanted.
        Index(
            "ix_address_email_key",
            "tenant_id",
            "email_key",
            "id",
            postgresql_where=text("merged_into_id IS NULL AND email_key <> ''"),
        ),
        Index(
            "ix_address_place_key",
            "tenant_id",
            "place_key",
            "id",
            postgresql_where=text("merged_into_id IS NULL AND place_key <> ''"),
        ),
        *ledger_indexes("address"),
    )


class AddressReference(db.Model):
    """A buyer of a platform, and whose address his orders bear. The key decides that he is one customer."""

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    platform_id: Mapped[int] = mapped_column(primary_key=True)  # no foreign key: as in Address
    buyer_reference: Mapped[str] = mapped_column(primary_key=True)
    address_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("address.id"))

    # Without the tenant: the primary key is then the only index that serves the look-up of references.
    __table_args__ = (Index("ix_address_reference_address_id", "address_id"),)


class AddressApart(db.Model):
    """Two addresses that look alike and belong to two customers, as somebody said."""

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    older_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("address.id"), primary_key=True)
    newer_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("address.id"), primary_key=True)


class AddressMerge(db.Model):
    """One address was merged into another: exactly what was moved, so that it can be moved back."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    kept_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("address.id"))
    merged_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("address.id"))
    document_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    buyer_references: Mapped[dict[str, list[str]]] = mapped_column(JSONB)  # by the platform's id
    merged_by_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id", ondelete="SET NULL"))
    merged_at: Mapped[datetime] = mapped_column(server_default=func.now())
    undone_at: Mapped[datetime | None]

    kept: Mapped[Address] = relationship(foreign_keys=[kept_id])
    merged: Mapped[Address] = relationship(foreign_keys=[merged_id])

    __table_args__ = (Index("ix_address_merge_newest", "tenant_id", "id"),)
