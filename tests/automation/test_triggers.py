"""Each trigger against a clock that is read minute by minute: across changes of clocks, leap days and month ends."""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.automation.triggers import LAST_DAY, LAST_WORKING_DAY, Trigger, TriggerKind, Window, first, instant

# Half an hour in Lord Howe, none in Kolkata; in Apia the clock jumped past a whole day at the end of 2011.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Africa/Casablanca",
)
# Both changes of clocks of each zone, a leap day, ends of long and short months, New Year.
WEEKS = (
    date(2026, 3, 25),
    date(2026, 10, 22),
    date(2026, 3, 5),
    date(2026, 10, 29),
    date(2026, 4, 2),
    date(2026, 10, 1),
    date(2028, 2, 26),
    date(2026, 2, 25),
    date(2026, 4, 27),
    date(2026, 12, 28),
    date(2011, 12, 27),
    date(2026, 2, 12),
    date(2026, 3, 19),
)
DAYS = 8
MINUTE = timedelta(minutes=1)


@cache
def minutes(zone: str, begin: date) -> tuple[list[datetime], list[datetime]]:
    """Every minute from the day on, and the highest that the clock has shown by then: it never runs backwards."""
    moment = datetime.combine(begin, time(), UTC) - timedelta(days=2)
    moments, shown, highest = [], [], datetime.min
    for _ in range((DAYS + 4) * 24 * 60):
        highest = max(highest, moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        moments.append(moment)
        shown.append(highest)
        moment += MINUTE
    return moments, shown


def by_the_clock(zone: str, begin: date, days: list[date], times: list[time]) -> list[datetime]:
    """The starts of these days: the first minute at which the clock has shown the time."""
    moments, shown = minutes(zone, begin)
    walls = sorted({datetime.combine(day, at) for day in days for at in times})
    return sorted({moments[bisect_left(shown, wall)] for wall in walls})


def compare(zone: str, begin: date, trigger: Trigger, days: list[date]) -> None:
    expected = by_the_clock(zone, begin, days, list(trigger.times))
    after = datetime.combine(begin - timedelta(days=1), time(12), ZoneInfo(zone)).astimezone(UTC)
    last = datetime.combine(begin + timedelta(days=DAYS - 1), time(), ZoneInfo(zone)).astimezone(UTC)
    expected = [start for start in expected if after < start < last]
    found = [start for start in first(trigger, after, ZoneInfo(zone), len(expected) + 1) if start < last]
    assert found == expected


zones, weeks = st.sampled_from(ZONES), st.sampled_from(WEEKS)
# Most changes of clocks happen in the night.
hours = st.one_of(st.integers(0, 3), st.integers(0, 23))
times = st.lists(st.builds(time, hours, st.integers(0, 59)), min_size=1, max_size=4).map(tuple)


def of_week(begin: date) -> list[date]:
    return [begin + timedelta(days=number) for number in range(-1, DAYS)]


@settings(max_examples=150, deadline=None)
@given(zones, weeks, times)
def test_daily(zone, begin, times):
    compare(zone, begin, Trigger(TriggerKind.DAILY, times), of_week(begin))


@settings(max_examples=150, deadline=None)
@given(zones, weeks, times, st.frozensets(st.integers(0, 6), min_size=1))
def test_weekly(zone, begin, times, weekdays):
    days = [day for day in of_week(begin) if day.isoweekday() - 1 in weekdays]
    compare(zone, begin, Trigger(TriggerKind.WEEKLY, times, weekdays), days)


@settings(max_examples=200, deadline=None)
@given(zones, weeks, times, st.sampled_from([*map(str, range(1, 32)), LAST_DAY, LAST_WORKING_DAY]))
def test_monthly(zone, begin, times, month_day):
    def named(day: date) -> bool:
        whole = [date(day.year, day.month, number + 1) for number in range(monthrange(day.year, day.month)[1])]
        if month_day == LAST_WORKING_DAY:
            return day == [other for other in whole if other.isoweekday() <= 5][-1]
        return day == (whole[-1] if month_day == LAST_DAY or int(month_day) > len(whole) else whole[int(month_day) - 1])

    compare(zone, begin, Trigger(TriggerKind.MONTHLY, times, month_day=month_day), list(filter(named, of_week(begin))))


@settings(max_examples=150, deadline=None)
@given(
    zones,
    weeks,
    st.integers(0, DAYS * 24 * 60),
    st.integers(1, 3 * 24 * 60),
    st.none() | st.tuples(hours, hours).filter(lambda pair: pair[0] != pair[1]),
)
def test_continuous(zone, begin, ended, pause, window):
    trigger = Trigger(
        TriggerKind.CONTINUOUS,
        pause=timedelta(minutes=pause),
        window=Window(time(window[0]), time(window[1])) if window else None,
    )
    ended_at = datetime.combine(begin, time(), UTC) + timedelta(minutes=ended)
    start = trigger.next_after(ended_at, ZoneInfo(zone))
    assert start >= ended_at + timedelta(minutes=pause)
    if window is None:
        assert start == ended_at + timedelta(minutes=pause)
        return

    def is_open(moment: datetime) -> bool:
        hour = moment.astimezone(ZoneInfo(zone)).hour
        return (hour - window[0]) % 24 < (window[1] - window[0]) % 24

    moment = ended_at + timedelta(minutes=pause)
    latest = moment + timedelta(days=2, hours=2)  # a day can be skipped
    while not is_open(moment) and moment < latest:
        moment += MINUTE
    assert start == moment or not _opens_once(zone, start)


def _opens_once(zone: str, start: datetime) -> bool:
    """False where the clock shows the hour a second time: a window that had begun does not begin again."""
    local = start.astimezone(ZoneInfo(zone))
    return all(
        other.utcoffset() == local.utcoffset()
        for other in ((start - timedelta(hours=n)).astimezone(ZoneInfo(zone)) for n in range(26))
    )


def test_by_hand_there_is_no_start():
    assert Trigger(TriggerKind.MANUAL).next_after(datetime.now(UTC), ZoneInfo("UTC")) is None


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (date(2026, 3, 29), time(2, 30), "2026-03-29T01:00:00+00:00"),  # skipped: as the clock jumps to three
        (date(2026, 3, 29), time(3, 0), "2026-03-29T01:00:00+00:00"),
        (date(2026, 3, 29), time(1, 59), "2026-03-29T00:59:00+00:00"),
        (date(2026, 10, 25), time(2, 30), "2026-10-25T00:30:00+00:00"),  # comes twice: the first time
        (date(2026, 10, 25), time(3, 0), "2026-10-25T02:00:00+00:00"),
    ],
)
def test_the_changes_of_clocks_in_berlin(day, at, expected):
    assert instant(day, at, ZoneInfo("Europe/Berlin")).isoformat() == expected
