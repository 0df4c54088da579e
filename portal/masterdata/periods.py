"""Tax rates over time: when two meet, and what a table has otherwise than the tenant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import groupby

from portal.masterdata.models import TaxClass

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a country takes on a class of articles, in percent, from a day to a day (both included; None: for ever)."""

    country: str
    tax_class: TaxClass
    valid_from: date
    valid_until: date | None
    rate: Decimal

    @property
    def subject(self) -> tuple[str, TaxClass]:
        """What the periods of which must not overlap."""
        return self.country, self.tax_class

    @property
    def last_day(self) -> date:
        return self.valid_until or date.max

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day <= self.last_day

    def meets(self, other: Rate) -> bool:
        """True if there is a day on which both would hold."""
        same = self.subject == other.subject
        return same and self.valid_from <= other.last_day and other.valid_from <= self.last_day


class Step(StrEnum):
    """How a rate of the table differs from what the tenant has."""

    NEW = "new"
    CHANGED = "changed"
    ENDED = "ended"  # as it is, but only until an earlier day
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Difference:
    """What becomes of a rate when the table is taken over, and what it was before."""

    step: Step
    rate: Rate
    before: Rate | None = None


def differences(table: Iterable[Rate], own: Iterable[Rate]) -> list[Difference]:
    """What taking over the table would do to one's own rates, neither of which overlap. Pure.

    A rate of one's own that begins where the table has no beginning is kept from that day on: what the table
    says ends before it. Only one that holds already when a new rate begins is ended on the day before.
    """
    wanted, present = _by_subject(table), _by_subject(own)
    return [step for subject, rates in wanted.items() for step in _differences(rates, present.get(subject, []))]


def _differences(table: Sequence[Rate], own: Sequence[Rate]) -> list[Difference]:
    begins = {rate.valid_from for rate in table}
    added = [rate for rate in own if rate.valid_from not in begins]
    at = {rate.valid_from: rate for rate in own}
    found = []
    for rate in table:
        later = [other.valid_from for other in added if rate.valid_from < other.valid_from <= rate.last_day]
        until = min(later) - DAY if later else rate.valid_until
        becomes, before = replace(rate, valid_until=until), at.get(rate.valid_from)
        if before is None:
            found += [_ended(other, rate.valid_from) for other in added if _next(begins, other) == rate.valid_from]
        found.append(Difference(_step(becomes, before), becomes, before))
    return found


def _next(begins: Iterable[date], rate: Rate) -> date | None:
    """The first of these beginnings behind the rate's own, if the rate still holds then."""
    return min((begin for begin in begins if rate.valid_from < begin <= rate.last_day), default=None)


def _ended(rate: Rate, begin: date) -> Difference:
    return Difference(Step.ENDED, replace(rate, valid_until=begin - DAY), rate)


def _step(becomes: Rate, before: Rate | None) -> Step:
    if before is None:
        return Step.NEW
    if becomes == before:
        return Step.SAME
    return Step.ENDED if becomes.rate == before.rate and becomes.last_day < before.last_day else Step.CHANGED


def _by_subject(rates: Iterable[Rate]) -> dict[tuple[str, TaxClass], list[Rate]]:
    in_order = sorted(rates, key=lambda rate: (*rate.subject, rate.valid_from))
    return {subject: list(group) for subject, group in groupby(in_order, key=lambda rate: rate.subject)}
