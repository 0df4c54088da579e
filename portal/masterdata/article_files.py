"""Articles in files: what is written of them, and what each line of a file would do to them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from sqlalchemy import select

from portal.csv_files import ROWS_AT_ONCE, Column, Row, Table
from portal.documents.plan import clean
from portal.extensions import db
from portal.imports import Change, Outcome, Planned, twice
from portal.masterdata.articles import LONGEST_NUMBER, LONGEST_TITLE, Wares, known
from portal.masterdata.models import Article, TaxClass
from portal.sentences import Sentence, sentence

COLUMNS = (
    Column("number", "number", ("Nummer", "Artikelnummer", "article number", "article"), required=True),
    Column("title", "title", ("Bezeichnung", "Titel")),
    Column("tax_class", "tax class", ("Steuerklasse",)),
    Column("active", "active", ("aktiv",)),
)
# What may stand in a cell, without case. What is written comes first.
TAX_CLASSES: dict[str, TaxClass] = {
    **{tax_class.value: tax_class for tax_class in TaxClass},
    **dict.fromkeys(("normal", "normalsatz", "regelsatz"), TaxClass.STANDARD),
    **dict.fromkeys(("ermäßigt", "ermässigt"), TaxClass.REDUCED),
    **dict.fromkeys(("second reduced", "zweiter ermäßigter", "zweiter ermässigter"), TaxClass.SECOND_REDUCED),
    **dict.fromkeys(("nullsatz", "null"), TaxClass.ZERO),
}
THE_CLASSES = sentence("standard, reduced, second reduced, zero")
YES, NO = "yes", "no"
ACTIVE = dict.fromkeys((YES, "ja", "1", "true", "wahr", "x"), True) | dict.fromkeys(
    (NO, "nein", "0", "false", "falsch"), False
)
THE_NUMBER, THE_TITLE = sentence("The number"), sentence("The title")


def behind(last: Row | None) -> list[Row]:
    """The next articles as lines of a file, in the order of their numbers, behind the last line or from the first."""
    query = select(Article.number, Article.title, Article.tax_class, Article.active).order_by(Article.number)
    if last is not None:
        query = query.where(Article.number > last[0])
    return [
        (number, title, tax_class.value, YES if active else NO)
        for number, title, tax_class, active in db.session.execute(query.limit(ROWS_AT_ONCE))
    ]


def plan_file(table: Table) -> list[Planned[Wares]]:
    """What each line of a file would do, as the articles are now."""
    return plan(table, known([number_of(line.cells) for line in table.lines if not line.problem]))


def plan(table: Table, present: Mapping[str, Wares]) -> list[Planned[Wares]]:
    """What each line of a file would do to the articles that are `present`, by their numbers. Pure.

    A column that the file does not have leaves a field as it is, and so does an empty tax class or state.
    """
    numbers = [number_of(line.cells) for line in table.lines]
    repeated = twice((line.number, number) for line, number in zip(table.lines, numbers, strict=True) if number)
    planned = []
    for line, number in zip(table.lines, numbers, strict=True):
        before = present.get(number)
        problem = line.problem or _problem(line.cells) or repeated.get(number)
        if problem:
            planned.append(Planned[Wares](line.number, number, Outcome.PROBLEM, problem=problem))
            continue
        after = _said(before or Wares(number, ""), line.cells)
        changes = tuple(
            Change(name, getattr(before, name) if before else None, getattr(after, name))
            for name in ("title", "tax_class", "active")
            if before is None or getattr(before, name) != getattr(after, name)
        )
        outcome = Outcome.NEW if before is None else Outcome.CHANGED if changes else Outcome.SAME
        planned.append(Planned(line.number, number, outcome, after, changes))
    return planned


def number_of(cells: Mapping[str, str]) -> str:
    """The article number in a line of a file."""
    return clean(cells.get("number", ""), LONGEST_NUMBER)


def text_problem(cell: str, longest: int, name: Sentence) -> Sentence | None:
    """What is wrong with a text of one line, or None."""
    cell = cell.strip()
    if not cell.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in cell):
        return sentence("%(name)s holds a line break or another control character.", name=name)
    if len(cell) > longest:
        return sentence("%(name)s is longer than %(most)s characters.", name=name, most=longest)
    return None


def _problem(cells: Mapping[str, str]) -> Sentence | None:
    if not number_of(cells):
        return sentence("The number is missing.")
    tax_class, active = cells.get("tax_class", ""), cells.get("active", "")
    if _key(tax_class) and _key(tax_class) not in TAX_CLASSES:
        return sentence(
            "There is no tax class “%(typed)s”. Known are: %(classes)s.", typed=tax_class[:60], classes=THE_CLASSES
        )
    if _key(active) and _key(active) not in ACTIVE:
        return sentence("“%(typed)s” says neither active nor not. Write yes or no.", typed=active[:60])
    return text_problem(cells["number"], LONGEST_NUMBER, THE_NUMBER) or text_problem(
        cells.get("title", ""), LONGEST_TITLE, THE_TITLE
    )


def _said(present: Wares, cells: Mapping[str, str]) -> Wares:
    """The article as a line says that it is to be."""
    return Wares(
        present.number,
        clean(cells["title"], LONGEST_TITLE) if "title" in cells else present.title,
        TAX_CLASSES.get(_key(cells.get("tax_class", "")), present.tax_class),
        ACTIVE.get(_key(cells.get("active", "")), present.active),
    )


def _key(cell: str) -> str:
    return " ".join(cell.split()).casefold()
