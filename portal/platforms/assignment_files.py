"""Assignments in files: what is written of them, and what each line of a file would do to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from portal.csv_files import ROWS_AT_ONCE, Column, Row, Table
from portal.documents.plan import LONGEST_SKU, clean
from portal.extensions import db
from portal.imports import Change, Outcome, Planned, twice
from portal.masterdata import articles
from portal.masterdata.article_files import number_of, text_problem
from portal.masterdata.models import Article
from portal.platforms.assignments import known
from portal.platforms.models import ArticleAssignment, Platform
from portal.sentences import Sentence, sentence

COLUMNS = (
    Column("sku", "sku", required=True),
    Column("number", "article", ("Artikel", "Artikelnummer", "article number", "number"), required=True),
)
THE_SKU, THE_NUMBER = sentence("The SKU"), sentence("The article number")


@dataclass(frozen=True)
class Assigned:
    """A SKU and the number of the article that it is."""

    sku: str
    number: str


def behind(platform_id: int, last: Row | None) -> list[Row]:
    """The next assignments as lines of a file, in the order of the SKUs, behind the last line or from the first."""
    query = select(ArticleAssignment.sku, Article.number).join(Article, Article.id == ArticleAssignment.article_id)
    query = query.where(ArticleAssignment.platform_id == platform_id).order_by(ArticleAssignment.sku)
    if last is not None:
        query = query.where(ArticleAssignment.sku > last[0])
    return [tuple(row) for row in db.session.execute(query.limit(ROWS_AT_ONCE))]


def plan_file(platform: Platform, table: Table) -> list[Planned[Assigned]]:
    """What each line of a file would do, as assignments and articles are now."""
    lines = [line.cells for line in table.lines if not line.problem]
    found = articles.known(sorted({number_of(cells) for cells in lines}))
    active = {number: wares.active for number, wares in found.items()}
    return plan(table, known(platform, [_sku_of(cells) for cells in lines]), active)


def plan(table: Table, present: Mapping[str, str], active: Mapping[str, bool]) -> list[Planned[Assigned]]:
    """What each line of a file would do. Pure.

    `present` are the numbers that SKUs are assigned to; `active` says of each article whether it is switched
    on. What is assigned to one that is switched off may stay so.
    """
    skus = [_sku_of(line.cells) for line in table.lines]
    repeated = twice((line.number, sku) for line, sku in zip(table.lines, skus, strict=True) if sku)
    planned = []
    for line, sku in zip(table.lines, skus, strict=True):
        number = number_of(line.cells)
        before = present.get(sku)
        problem = line.problem or _problem(line.cells) or repeated.get(sku)
        if not problem and number != before:
            problem = _article_problem(number, active)
        if problem:
            planned.append(Planned[Assigned](line.number, sku, Outcome.PROBLEM, problem=problem))
            continue
        changes = (Change("number", before, number),) if number != before else ()
        outcome = Outcome.NEW if before is None else Outcome.CHANGED if changes else Outcome.SAME
        planned.append(Planned(line.number, sku, outcome, Assigned(sku, number), changes))
    return planned


def _problem(cells: Mapping[str, str]) -> Sentence | None:
    if not _sku_of(cells):
        return sentence("The SKU is missing.")
    if not number_of(cells):
        return sentence("The article number is missing.")
    return text_problem(cells["sku"], LONGEST_SKU, THE_SKU) or text_problem(
        cells["number"], articles.LONGEST_NUMBER, THE_NUMBER
    )


def _article_problem(number: str, active: Mapping[str, bool]) -> Sentence | None:
    if number not in active:
        return sentence("There is no article with the number “%(number)s”.", number=number)
    if not active[number]:
        return sentence("The article “%(number)s” is switched off.", number=number)
    return None


def _sku_of(cells: Mapping[str, str]) -> str:
    return clean(cells.get("sku", ""), LONGEST_SKU)
