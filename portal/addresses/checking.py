"""Whether the numbers of a ledger follow each other: no gap, no repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ScalarSelect, func, literal, or_, select, union_all

from portal.addresses import ledger
from portal.addresses.models import NumberSkip
from portal.addresses.numbers import FIRST_OF_YEAR
from portal.extensions import db
from portal.lists import Query

# A check names this many gaps and repeats; more are said to be there.
MOST_FOUND = 20


@dataclass(frozen=True)
class Finding:
    """Numbers from `first` to `last` that are missing, or there more than once."""

    first: int
    last: int
    missing: bool


@dataclass(frozen=True)
class Check:
    """What a check saw: how many numbers from which to which, how many of them left out, and what is wrong."""

    drawn: int
    skipped: int
    first: int | None
    last: int | None
    findings: Sequence[Finding]
    more: bool


def check(wanted: ledger.Wanted, next_number: int) -> Check:
    """Whether the numbers that were drawn in a period follow each other, each there once.

    `next_number` of the series was read before; what is drawn meanwhile does no harm. The numbers beside the
    period are looked at too, so that the last one of a day cannot be missing unseen.
    """
    series = wanted.series
    borne, skipped = ledger.borne(wanted).subquery(), ledger.skipped(wanted).subquery()
    every = union_all(
        select(borne.c.first, borne.c.last, literal(True).label("borne")),
        select(skipped.c.first, skipped.c.last, literal(False)),
    ).subquery()
    left_out = func.sum(every.c.last - every.c.first + 1).filter(~every.c.borne)
    drawn, skips, first, last = db.session.execute(
        select(
            func.count().filter(every.c.borne),
            func.coalesce(left_out, 0),
            func.min(every.c.first),
            func.max(every.c.last),
        )
    ).one()
    if first is None and wanted.is_everything:
        first, last = (next_number if series.year is None else FIRST_OF_YEAR), next_number - 1
    findings = _findings(series, first, last, next_number) if first is not None else []
    seen = drawn or skips
    return Check(
        drawn,
        int(skips),
        first if seen else None,
        last if seen else None,
        findings[:MOST_FOUND],
        len(findings) > MOST_FOUND,
    )


def _findings(series: ledger.Series, first: int, last: int, next_number: int) -> list[Finding]:
    """What is wrong from `first` to `last` and just beside: where a number does not follow the largest before it."""
    number = ledger.bearer_of(series.purpose).number_value
    of_bearers, of_skips = ledger.of_series(series), ledger.skips_of(series)
    before = func.greatest(
        _one(select(number).where(*of_bearers, number < first).order_by(number.desc())),
        _one(select(NumberSkip.last).where(*of_skips, NumberSkip.last < first).order_by(NumberSkip.last.desc())),
        None if series.year is None else FIRST_OF_YEAR - 1,
    )
    behind = func.coalesce(
        func.least(
            _one(select(number).where(*of_bearers, number > last).order_by(number)),
            _one(select(NumberSkip.first).where(*of_skips, NumberSkip.first > last).order_by(NumberSkip.first)),
        ),
        max(next_number, last + 1),
    )
    beside = select(before.label("first")).union_all(select(behind)).subquery()
    spans = union_all(
        select(number.label("first"), number.label("last")).where(*of_bearers, number.between(first, last)),
        select(NumberSkip.first, NumberSkip.last).where(*of_skips, NumberSkip.last >= first, NumberSkip.first <= last),
        select(beside.c.first, beside.c.first).where(beside.c.first.is_not(None)),
    ).subquery()
    so_far = func.max(spans.c.last).over(order_by=(spans.c.first, spans.c.last), rows=(None, -1))
    steps = select(spans.c.first, spans.c.last, so_far.label("so_far")).subquery()
    wrong = or_(steps.c.first > steps.c.so_far + 1, steps.c.first <= steps.c.so_far)
    found = db.session.execute(select(steps).where(wrong).order_by(steps.c.first).limit(MOST_FOUND + 1))
    return [
        Finding(so_far + 1, first - 1, missing=True)
        if first > so_far + 1
        else Finding(first, min(last, so_far), missing=False)
        for first, last, so_far in found
    ]


def _one(query: Query) -> ScalarSelect[Any]:
    return query.limit(1).scalar_subquery()
