"""Payment methods, payment terms, shipping methods, articles, and taxes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from portal.extensions import db


class Choice:
    """A named record that settings choose among. One in use can be switched off, not deleted."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=text("true"))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:
        table = cls.__tablename__  # type: ignore[attr-defined]
        return (Index(f"uq_{table}_tenant_id_name", "tenant_id", "name", unique=True),)


class PaymentMethod(Choice, db.Model):
    """How a customer pays."""


class PaymentTerms(Choice, db.Model):
    """When a customer pays, and what is printed about it."""

    __tablename__ = "payment_terms"


class ShippingMethod(Choice, db.Model):
    """How a parcel travels."""


class TaxClass(StrEnum):
    """How a country taxes an article. Which goods fall under which is each country's law."""

    STANDARD = "standard"
    REDUCED = "reduced"
    SECOND_REDUCED = "second_reduced"
    ZERO = "zero"


class Article(db.Model):
    """What the tenant sells, under his own number."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    number: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    tax_class: Mapped[TaxClass] = mapped_column(server_default=TaxClass.STANDARD.value)
    active: Mapped[bool] = mapped_column(server_default=text("true"))

    __table_args__ = (Index("uq_article_tenant_id_number", "tenant_id", "number", unique=True),)


class TaxCode(db.Model):
    """What the tenant's bookkeeping calls a tax."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    code: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    active: Mapped[bool] = mapped_column(server_default=text("true"))

    __table_args__ = (Index("uq_tax_code_tenant_id_code", "tenant_id", "code", unique=True),)


class TaxRate(db.Model):
    """What a country takes on a class of articles, in percent, from a day to a day (both included)."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    country: Mapped[str]
    tax_class: Mapped[TaxClass]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    rate: Mapped[Decimal] = mapped_column(Numeric)
    tax_code_id: Mapped[int] = mapped_column(ForeignKey("tax_code.id"))

    tax_code: Mapped[TaxCode] = relationship()

    __table_args__ = (Index("uq_tax_rate", "tenant_id", "country", "tax_class", "valid_from", unique=True),)


class TaxSettings(db.Model):
    """Where the tenant pays tax, and the codes of what is not taxed at home. One row a tenant.

    Without a home country no tax is computed.
    """

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    home_country: Mapped[str] = mapped_column(server_default="")
    one_stop_shop: Mapped[bool] = mapped_column(server_default=text("false"))
    reverse_charge_code_id: Mapped[int | None] = mapped_column(ForeignKey("tax_code.id"))
    export_code_id: Mapped[int | None] = mapped_column(ForeignKey("tax_code.id"))
    collected_code_id: Mapped[int | None] = mapped_column(ForeignKey("tax_code.id"))
