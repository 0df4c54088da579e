"""Articles: listed, found, made, changed and removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Boolean, String, any_, exists, func, literal, or_, select, union
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError

from portal.errors import Refused
from portal.extensions import db
from portal.lists import Filter, Query, Sort, Window, count_up_to, is_among, prefix
from portal.masterdata.models import Article, TaxClass
from portal.platforms.models import ArticleAssignment, Platform
from portal.scope import current_tenant_id

# As long as a SKU may be that is the article's number (portal/documents/plan.py).
LONGEST_NUMBER = 100
LONGEST_TITLE = 500

# A search considers this many articles of each kind of match, and says so where there are more.
MOST_FOUND = 200
MOST_OFFERED = 20

BY_NUMBER = Sort("number", (Article.number,))
SORTS = (BY_NUMBER,)
FILTERS = (Filter("q", _l("Search"), str),)
COLUMNS = (Article.id, Article.number, Article.title, Article.tax_class, Article.active)


@dataclass(frozen=True)
class Wares:
    """What is kept of an article."""

    number: str
    title: str
    tax_class: TaxClass = TaxClass.STANDARD
    active: bool = True


class NumberTaken(Refused):
    """Another article of the tenant has this number."""

    field = "number"


class ArticleInUse(Refused):
    """Something names the article, so it can neither go nor be called otherwise."""

    field = "number"


def rows(found: Sequence[int] | None, window: Window) -> Sequence[Any]:
    """The articles of one window: all, or those of `found`."""
    query = select(*COLUMNS)
    chosen = window.on(query) if found is None else window.among(query, Article.id, is_among(Article.id, found))
    return db.session.execute(chosen).all()


def count(found: Sequence[int] | None) -> int | None:
    return count_up_to(_these(select(Article.number), found))


def find(term: str, most: int = MOST_FOUND) -> tuple[list[int], bool]:
    """The ids of articles whose number or title begins so, `most` of each; True if more may match.

    No index holds titles: theirs are looked through in the order of the numbers, up to `most`.
    """
    term = " ".join(term.split())
    titled = func.starts_with(func.lower(Article.title), func.lower(term))
    matches = (prefix(Article.number, term), prefix(Article.number, term.upper()), titled)
    ids: Sequence[int] = db.session.scalars(
        union(
            *(
                select(select(Article.id).where(match).order_by(Article.number).limit(most).subquery().c.id)
                for match in matches
            )
        )
    ).all()
    return sorted(ids), len(ids) >= most


def offered(term: str) -> Sequence[Any]:
    """A few active articles that may be meant while their number is typed."""
    found, _more = find(term, MOST_OFFERED)
    query = _these(select(*COLUMNS), found).where(Article.active).order_by(Article.number)
    return db.session.execute(query.limit(MOST_OFFERED)).all()


def create(wares: Wares) -> Article:
    """A new article. Raises NumberTaken; nothing is written then."""
    article: Article | None = db.session.scalar(
        insert(Article).values(tenant_id=current_tenant_id(), **vars(wares)).on_conflict_do_nothing().returning(Article)
    )
    if article is None:
        raise _taken(wares.number)
    return article


def update(article: Article, wares: Wares) -> None:
    """Change an article. Raises NumberTaken, and ArticleInUse where a platform knows it by its number."""
    if wares.number != article.number:
        _check_platforms(article)
    try:
        with db.session.begin_nested():
            article.number, article.title = wares.number, wares.title
            article.tax_class, article.active = wares.tax_class, wares.active
    except IntegrityError as taken:
        raise _taken(wares.number) from taken


def delete(article: Article) -> None:
    """Remove an article that no setting names; documents keep its number and title. Raises ArticleInUse."""
    _check_platforms(article)
    if db.session.scalar(select(exists(select(ArticleAssignment.sku).where(_assigned(article))))):
        raise _assigned_to(article)
    try:
        with db.session.begin_nested():
            db.session.delete(article)
    except IntegrityError as in_use:  # assigned at this very moment
        raise _assigned_to(article) from in_use


def known(numbers: Sequence[str]) -> dict[str, Wares]:
    """The articles of these numbers."""
    query = select(Article.number, Article.title, Article.tax_class, Article.active)
    found = db.session.execute(query.where(Article.number == any_(literal(list(numbers), ARRAY(String)))))
    return {row.number: Wares(*row) for row in found}


def write(articles: Sequence[Wares]) -> None:
    """Write these articles, new ones and changed ones, by one statement. No number may be there twice."""
    given = (
        func.unnest(
            literal([wares.number for wares in articles], ARRAY(String)),
            literal([wares.title for wares in articles], ARRAY(String)),
            literal([wares.tax_class.value for wares in articles], ARRAY(String)),
            literal([wares.active for wares in articles], ARRAY(Boolean)),
        )
        .table_valued("number", "title", "tax_class", "active", name="given")
        .render_derived()
    )
    columns = ("number", "title", "tax_class", "active")
    wanted = insert(Article).from_select(
        ["tenant_id", *columns],
        # In one order, or two imports at once could wait for each other.
        select(literal(current_tenant_id()), *(given.c[name] for name in columns)).order_by(given.c.number),
    )
    db.session.execute(
        wanted.on_conflict_do_update(
            index_elements=["tenant_id", "number"],
            set_={name: wanted.excluded[name] for name in columns[1:]},
        )
    )


def _check_platforms(article: Article) -> None:
    """Raises ArticleInUse where a platform books something under the article's number."""
    columns = (
        Platform.freight_article,
        Platform.discount_article,
        Platform.gift_wrap_article,
        Platform.other_article,
    )
    query = select(Platform.name).where(or_(*(column == article.number for column in columns)))
    platforms = db.session.scalars(query.order_by(Platform.number)).all()
    if platforms:
        raise ArticleInUse(
            _(
                "%(platforms)s books freight or the like under “%(number)s”, so the article keeps its number. "
                "It can be switched off.",
                platforms=", ".join(platforms),
                number=article.number,
            )
        )


def _assigned(article: Article) -> Any:
    return ArticleAssignment.article_id == article.id


def _assigned_to(article: Article) -> ArticleInUse:
    return ArticleInUse(
        _(
            "SKUs are assigned to “%(number)s”, so the article stays. Switch it off, or assign them to another.",
            number=article.number,
        )
    )


def _taken(number: str) -> NumberTaken:
    return NumberTaken(_("There is already an article with the number “%(number)s”.", number=number))


def _these(query: Query, found: Sequence[int] | None) -> Query:
    return query if found is None else query.where(is_among(Article.id, found))
