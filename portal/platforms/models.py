"""Platforms."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.addresses.models import Address, AddressStatus
from portal.credentials.models import Credential
from portal.extensions import db
from portal.masterdata.models import Article, PaymentMethod, ShippingMethod


class Connection(StrEnum):
    """Whether the cloud may speak to the marketplace for the seller."""

    NOT_AUTHENTICATED = "not_authenticated"
    AUTHENTICATED = "authenticated"
    REVOKED = "revoked"


class DocumentType(StrEnum):
    """What a platform's orders become. Delivery note and cancellation come by conversion, not from an order."""

    ORDER = "order"  # a sales order, which may still change
    INVOICE = "invoice"  # final: what changes later is said beside it


class ArticleRule(StrEnum):
    """How a marketplace's SKU becomes the tenant's article number."""

    SAME = "same"  # the SKU is the number
    STRIP_PREFIX = "strip_prefix"  # the SKU without its beginning
    TABLE = "table"  # only what is assigned


class UnknownSku(StrEnum):
    """What becomes of an order with a SKU that leads to no article."""

    FREE_TEXT = "free_text"  # a line without article, under the marketplace's SKU and title
    HOLD = "hold"


class RemoteKind(StrEnum):
    """What of a marketplace's words a platform maps to the tenant's own."""

    PAYMENT = "payment"
    SHIPPING = "shipping"


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
    # Document creation: what orders become, and get where no mapping says otherwise. Required before a fetch.
    document_type: Mapped[DocumentType] = mapped_column(server_default=DocumentType.ORDER.value)
    payment_terms_id: Mapped[int | None] = mapped_column(ForeignKey("payment_terms.id"))
    payment_method_id: Mapped[int | None] = mapped_column(ForeignKey("payment_method.id"))
    shipping_method_id: Mapped[int | None] = mapped_column(ForeignKey("shipping_method.id"))
    # Article numbers of what is no article. Empty, but for freight: a line without one.
    freight_article: Mapped[str] = mapped_column(server_default="FREIGHT")
    discount_article: Mapped[str] = mapped_column(server_default="DISCOUNT")
    gift_wrap_article: Mapped[str] = mapped_column(server_default="GIFTWRAP")
    other_article: Mapped[str] = mapped_column(server_default="OTHER")
    article_rule: Mapped[ArticleRule] = mapped_column(server_default=ArticleRule.SAME.value)
    sku_prefix: Mapped[str] = mapped_column(server_default="")
    unknown_sku: Mapped[UnknownSku] = mapped_column(server_default=UnknownSku.FREE_TEXT.value)
    address_status_id: Mapped[int] = mapped_column(ForeignKey("address_status.id"))
    guest_status_id: Mapped[int | None] = mapped_column(ForeignKey("address_status.id"))
    next_fetch_at: Mapped[datetime | None]
    last_fetch_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    credential: Mapped[Credential] = relationship()
    address_status: Mapped[AddressStatus] = relationship(foreign_keys=address_status_id)
    guest_status: Mapped[AddressStatus | None] = relationship(foreign_keys=guest_status_id)

    __table_args__ = (
        # The cloud compares names without case and spaces; so must we, or two tabs could both win.
        Index("uq_platform_tenant_id_name_key", "tenant_id", "name_key", unique=True),
        Index("uq_platform_tenant_id_number", "tenant_id", "number", unique=True),
    )


class AddressRole(StrEnum):
    """Whose place an address takes in a platform's documents."""

    COLLECTIVE = "collective"  # every buyer's
    MARKETPLACE = "marketplace"  # the buyer's of orders that the marketplace buys and resells


class PlatformAddress(db.Model):
    """An address that stands in for the buyer."""

    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"), primary_key=True)
    role: Mapped[AddressRole] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    address_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("address.id"), index=True)

    address: Mapped[Address] = relationship()


class RemoteValue(db.Model):
    """A payment kind or shipping level as the marketplace calls it, and what it is here: None for the standard."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"))
    kind: Mapped[RemoteKind]
    value: Mapped[str]
    payment_method_id: Mapped[int | None] = mapped_column(ForeignKey("payment_method.id"))
    shipping_method_id: Mapped[int | None] = mapped_column(ForeignKey("shipping_method.id"))
    is_new: Mapped[bool] = mapped_column(server_default=text("true"))  # nobody has said yet what it is
    order_id: Mapped[str] = mapped_column(server_default="")  # of the first order that brought it
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    payment_method: Mapped[PaymentMethod | None] = relationship()
    shipping_method: Mapped[ShippingMethod | None] = relationship()

    __table_args__ = (Index("uq_remote_value", "tenant_id", "platform_id", "kind", "value", unique=True),)


class ArticleAssignment(db.Model):
    """Which article a marketplace's SKU is."""

    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"), primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    article_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("article.id"), index=True)

    article: Mapped[Article] = relationship()

    __table_args__ = (Index("ix_article_assignment_list", "tenant_id", "platform_id", "sku"),)
