"""Which article a platform's SKU is: listed, found, assigned, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, CompoundSelect, String, any_, exists, func, literal, select, union
from sqlalchemy.dialects.postgresql import ARRAY, insert

from portal.documents import listing
from portal.documents.models import DocumentLine, LineKind
from portal.errors import Refused
from portal.extensions import db
from portal.lists import COUNTED, Filter, Query, Sort, Window, count_up_to, prefix
from portal.masterdata import articles
from portal.masterdata.models import Article
from portal.platforms.models import ArticleAssignment, Platform
from portal.scope import current_tenant_id

# SKUs without an article are looked for in so many of a platform's documents, and so many are shown.
LATEST_DOCUMENTS = 1_000
MOST_MISSING = 200

BY_SKU = Sort("sku", (ArticleAssignment.sku,))
SORTS = (BY_SKU,)
FILTERS = (Filter("q", _l("Search"), str),)


class NoSuchArticle(Refused):
    """No article of the tenant has this number, or it is switched off."""

    field = "number"


class SkuTaken(Refused):
    """The SKU is assigned already."""

    field = "sku"


@dataclass(frozen=True)
class Wanted:
    """Assignments whose SKU begins so, or that are to one of the articles that a search for this finds."""

    search: str
    article_ids: Sequence[int]


def wanted(search: str) -> tuple[Wanted, bool]:
    """What a search means; True if more articles may match than it considers."""
    article_ids, cut = articles.find(search)
    return Wanted(search, article_ids), cut


def rows(platform_id: int, wanted: Wanted | None, window: Window) -> Sequence[Any]:
    """The assignments of one window: all, or those that are wanted."""
    query = select(ArticleAssignment.sku, Article.number, Article.title, Article.active)
    query = query.join(Article, Article.id == ArticleAssignment.article_id)
    query = query.where(ArticleAssignment.platform_id == platform_id)
    if wanted is not None:
        query = query.where(ArticleAssignment.sku.in_(_matching(platform_id, wanted, window.on)))
    return db.session.execute(window.on(query)).all()


def count(platform_id: int, wanted: Wanted | None) -> int | None:
    if wanted is None:
        return count_up_to(select(ArticleAssignment.sku).where(ArticleAssignment.platform_id == platform_id))
    matching = _matching(platform_id, wanted, lambda query: query.limit(COUNTED + 1)).subquery()
    return count_up_to(select(matching.c.sku))


def assign(platform: Platform, sku: str, number: str) -> None:
    """Say which article a SKU is. Raises NoSuchArticle, SkuTaken; nothing is written then."""
    article = _lock([number]).get(number)
    if article is None or not article.active:
        raise NoSuchArticle(_("There is no active article with the number “%(number)s”.", number=number))
    written = db.session.scalar(
        insert(ArticleAssignment)
        .values(tenant_id=current_tenant_id(), platform_id=platform.id, sku=sku, article_id=article.id)
        .on_conflict_do_nothing()
        .returning(ArticleAssignment.sku)
    )
    if written is None:
        raise SkuTaken(_("“%(sku)s” is assigned already. Remove that first.", sku=sku))


def remove(platform: Platform, sku: str) -> bool:
    """Take an assignment back. False where there is none."""
    assignment = db.session.get(ArticleAssignment, (platform.id, sku))
    if assignment is not None:
        db.session.delete(assignment)
        db.session.flush()
    return assignment is not None


def known(platform: Platform, skus: Sequence[str]) -> dict[str, str]:
    """The article numbers that these SKUs are assigned to."""
    query = select(ArticleAssignment.sku, Article.number).join(Article, Article.id == ArticleAssignment.article_id)
    named = ArticleAssignment.sku == any_(literal(list(skus), ARRAY(String)))
    found = db.session.execute(query.where(ArticleAssignment.platform_id == platform.id, named))
    return {row.sku: row.number for row in found}


def write(platform: Platform, numbers: Mapping[str, str]) -> None:
    """Assign SKUs to article numbers, new or otherwise than before, by one statement.

    One whose article was removed at this very moment is left out.
    """
    locked = _lock(sorted(set(numbers.values())))
    ids = {sku: locked[number].id for sku, number in numbers.items() if number in locked}
    given = (
        func.unnest(
            literal(list(ids), ARRAY(String)),
            literal(list(ids.values()), ARRAY(BigInteger)),
        )
        .table_valued("sku", "article_id", name="given")
        .render_derived()
    )
    assigned = insert(ArticleAssignment).from_select(
        ["tenant_id", "platform_id", "sku", "article_id"],
        # In one order, or two imports at once could wait for each other.
        select(literal(current_tenant_id()), literal(platform.id), given.c.sku, given.c.article_id).order_by(
            given.c.sku
        ),
    )
    db.session.execute(
        assigned.on_conflict_do_update(
            index_elements=["platform_id", "sku"], set_={"article_id": assigned.excluded.article_id}
        )
    )


def missing(platform: Platform) -> tuple[Sequence[Any], bool]:
    """SKUs of the platform's latest documents that lead to no article, those of most documents first.

    With the title that the marketplace gives them. True if there are more than are shown.
    """
    latest = listing.rows(
        listing.Wanted(platform_id=platform.id),
        Window(listing.BY_DATE, rows=LATEST_DOCUMENTS - 1),
        ZoneInfo("UTC"),
        [platform.id],
    )
    lines = (
        select(
            DocumentLine.article_number.label("sku"),
            func.max(DocumentLine.title).label("title"),
            func.count(DocumentLine.document_id.distinct()).label("documents"),
        )
        .where(
            DocumentLine.document_id == any_(literal([row.id for row in latest], ARRAY(BigInteger))),
            DocumentLine.kind == LineKind.ARTICLE,
            DocumentLine.article_number != "",
        )
        .group_by(DocumentLine.article_number)
        .subquery()
    )
    found = db.session.execute(
        select(lines)
        .where(
            ~exists(select(Article.id).where(Article.number == lines.c.sku)),
            ~exists(
                select(ArticleAssignment.sku).where(
                    ArticleAssignment.platform_id == platform.id, ArticleAssignment.sku == lines.c.sku
                )
            ),
        )
        .order_by(lines.c.documents.desc(), lines.c.sku)
        .limit(MOST_MISSING + 1)
    ).all()
    return found[:MOST_MISSING], len(found) > MOST_MISSING


def _lock(numbers: Sequence[str]) -> dict[str, Any]:
    """The articles of these numbers, which nobody removes before the transaction ends."""
    query = select(Article.number, Article.id, Article.active)
    query = query.where(Article.number == any_(literal(list(numbers), ARRAY(String))))
    found = db.session.execute(query.order_by(Article.id).with_for_update(read=True, key_share=True))
    return {row.number: row for row in found}


def _matching(platform_id: int, wanted: Wanted, limited: Callable[[Query], Query]) -> CompoundSelect[tuple[str]]:
    """The SKUs of either kind, each found by its own index and `limited` to what is needed of it."""
    ids = literal(list(wanted.article_ids), ARRAY(BigInteger))
    kinds = (prefix(ArticleAssignment.sku, wanted.search), ArticleAssignment.article_id == any_(ids))
    of_platform = select(ArticleAssignment.sku).where(ArticleAssignment.platform_id == platform_id)
    return union(*(select(limited(of_platform.where(kind)).subquery().c.sku) for kind in kinds))
