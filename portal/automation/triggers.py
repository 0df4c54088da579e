"""When a task starts: by the clock on the wall of its tenant, also on the days when clocks are changed. Pure.

A start belongs to a day and a time of day. It happens when the clock first shows that time or a later one: a
time that is skipped in spring starts as the clock jumps past it, and one that comes twice in autumn starts the
first time only. So each day that a trigger names has its starts, no more and no fewer.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
SATURDAY = 5

LAST_DAY = "last"
LAST_WORKING_DAY = "last_working"  # Monday to Friday; holidays are not known


class TriggerKind(StrEnum):
    """What a task waits for."""

    CONTINUOUS = "continuous"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    MANUAL = "manual"


@dataclass(frozen=True)
class Window:
    """From a time of day to another, that one not included. One that ends before it begins goes over midnight."""

    begin: time
    end: time

    def holds(self, at: time) -> bool:
        if self.begin < self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


@dataclass(frozen=True)
class Trigger:
    """`pause` and `window` are for continuous ones, `times` for the others; `weekdays` count from Monday, 0.

    `month_day` is "1" to "31", LAST_DAY or LAST_WORKING_DAY. A month without that day takes its last one.
    """

    kind: TriggerKind
    times: tuple[time, ...] = ()
    weekdays: frozenset[int] = frozenset()
    month_day: str = ""
    pause: timedelta = timedelta()
    window: Window | None = None

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first start behind a moment; of a continuous one, that is the end of the run before. None: by hand."""
        return next(self.starts(moment, zone), None)

    def starts(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """The starts behind a moment, in order and without end. A continuous one is taken to need no time."""
        if self.kind == TriggerKind.MANUAL:
            return
        if self.kind == TriggerKind.CONTINUOUS:
            yield from self._continuous(after, zone)
            return
        last = after
        for day in self._days(after.astimezone(zone).date() - DAY):
            for at in sorted(set(self.times)):
                start = instant(day, at, zone)
                if start > last:  # two times that the clock jumps past together are one start
                    yield start
                    last = start

    def _continuous(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        moment = after
        while True:
            moment += max(self.pause, SECOND)
            if self.window is not None and not self.window.holds(moment.astimezone(zone).time()):
                opening = Trigger(TriggerKind.DAILY, (self.window.begin,))
                moment = next(opening.starts(moment, zone))
            yield moment

    def _days(self, day: date) -> Iterator[date]:
        """The days that the trigger names, from this one on."""
        while True:
            if self._names(day):
                yield day
            day += DAY

    def _names(self, day: date) -> bool:
        if self.kind == TriggerKind.DAILY:
            return True
        if self.kind == TriggerKind.WEEKLY:
            return day.weekday() in self.weekdays
        return day.day == self._day_of_month(day)

    def _day_of_month(self, day: date) -> int:
        last = monthrange(day.year, day.month)[1]
        if self.month_day == LAST_DAY:
            return last
        if self.month_day == LAST_WORKING_DAY:
            return last - max(0, day.replace(day=last).weekday() - SATURDAY + 1)
        return min(int(self.month_day), last)


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When the clock first shows this time of this day, or a later one where it jumps past it; in UTC."""
    wall = datetime.combine(day, at)
    start = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(start, zone) == wall:
        return start
    # Skipped. Python reads the time by the clock before the jump, and with fold=1 by the one after it: the
    # jump lies between the two.
    before, behind = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), start
    while behind - before > SECOND:
        middle = before + (behind - before) // 2
        if _wall(middle, zone) >= wall:
            behind = middle
        else:
            before = middle
    return behind.replace(microsecond=0)


def first(trigger: Trigger, after: datetime, zone: ZoneInfo, most: int) -> list[datetime]:
    """The next starts, `most` of them at most."""
    return list(islice(trigger.starts(after, zone), most))


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
