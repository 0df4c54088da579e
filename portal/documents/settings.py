"""What a platform and its tenant decided, read for planning: once a run, not once an order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.documents.plan import Articles, Settings
from portal.documents.tax import Rate, TaxCase, Taxes
from portal.extensions import db
from portal.masterdata import service as masterdata
from portal.masterdata.models import Article, TaxClass, TaxCode, TaxRate
from portal.platforms.models import (
    AddressRole,
    ArticleAssignment,
    ArticleRule,
    DocumentType,
    Platform,
    PlatformAddress,
    RemoteKind,
    RemoteValue,
)
from portal.tenants.models import Tenant


def settings_of(platform: Platform) -> Settings:
    """How the platform's orders become documents, as of now."""
    values = db.session.scalars(select(RemoteValue).where(RemoteValue.platform_id == platform.id)).all()
    methods = mapped(values)
    addresses = {
        standing_in.role: standing_in.address
        for standing_in in db.session.scalars(
            select(PlatformAddress)
            .where(PlatformAddress.platform_id == platform.id)
            .options(joinedload(PlatformAddress.address))
        )
    }
    guests = platform.guest_status or platform.address_status
    collective, marketplace = addresses.get(AddressRole.COLLECTIVE), addresses.get(AddressRole.MARKETPLACE)
    return Settings(
        time_zone=ZoneInfo(db.session.get_one(Tenant, platform.tenant_id).time_zone),
        document_type=DocumentType(platform.document_type),
        freight_article=platform.freight_article,
        gift_wrap_article=platform.gift_wrap_article,
        discount_article=platform.discount_article,
        other_article=platform.other_article,
        payment_terms_id=platform.address_status.payment_terms_id or platform.payment_terms_id,
        guest_payment_terms_id=guests.payment_terms_id or platform.payment_terms_id,
        payment_method_id=platform.payment_method_id,
        shipping_method_id=platform.shipping_method_id,
        payment_methods=methods[RemoteKind.PAYMENT],
        shipping_methods=methods[RemoteKind.SHIPPING],
        known_values=frozenset((value.kind, value.value) for value in values),
        articles=articles_of(platform),
        taxes=taxes(),
        collective_address_id=collective.id if collective else None,
        marketplace_address_id=marketplace.id if marketplace else None,
        marketplace_vat_id=marketplace.vat_id if marketplace else "",
    )


def mapped(values: Iterable[RemoteValue]) -> dict[RemoteKind, dict[str, int]]:
    """The marketplace's words that are mapped, each with the id of what it is here."""
    methods: dict[RemoteKind, dict[str, int]] = {kind: {} for kind in RemoteKind}
    for value in values:
        method = value.payment_method_id if value.kind == RemoteKind.PAYMENT else value.shipping_method_id
        if method is not None:
            methods[value.kind][value.value] = method
    return methods


def articles_of(platform: Platform) -> Articles:
    """The tenant's active articles, and what this platform's SKUs are assigned to.

    All are read, some 200 bytes each: a page of orders is planned while the one before is written, away from
    the database.
    """
    classes = dict(db.session.execute(select(Article.number, Article.tax_class).where(Article.active)).all())
    assigned = db.session.execute(
        select(ArticleAssignment.sku, Article.number)
        .join(Article, Article.id == ArticleAssignment.article_id)
        .where(ArticleAssignment.platform_id == platform.id)
    ).all()
    return Articles(
        ArticleRule(platform.article_rule), platform.sku_prefix, platform.unknown_sku, classes, dict(assigned)
    )


def taxes() -> Taxes:
    """The tenant's taxes."""
    settings = masterdata.settings()
    if not settings.home_country:
        return Taxes()
    codes = dict(db.session.execute(select(TaxCode.id, TaxCode.code)).all())
    rates: dict[tuple[str, TaxClass], list[Rate]] = {}
    for rate in db.session.scalars(select(TaxRate).order_by(TaxRate.valid_from)):
        rates.setdefault((rate.country, rate.tax_class), []).append(
            Rate(rate.rate, codes[rate.tax_code_id], rate.valid_from, rate.valid_until or date.max)
        )
    chosen = {
        TaxCase.REVERSE_CHARGE: settings.reverse_charge_code_id,
        TaxCase.EXPORT: settings.export_code_id,
        TaxCase.COLLECTED: settings.collected_code_id,
    }
    return Taxes(
        home=settings.home_country,
        one_stop_shop=settings.one_stop_shop,
        rates={key: tuple(of) for key, of in rates.items()},
        codes={case: codes[id] for case, id in chosen.items() if id is not None},
    )
