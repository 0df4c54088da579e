"""The number ledger: every number drawn stands there once, with what bears it or why nothing does."""

from __future__ import annotations

import csv
import io
import threading
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text, update

from portal.addresses import checking, ledger, service
from portal.addresses.models import Address, NumberRange, NumberSkip, NumberYear, Purpose
from portal.addresses.numbers import Numbering, largest
from portal.documents import intake
from portal.documents.models import Document, HeldOrder
from portal.extensions import db
from portal.held import service as held
from portal.listings import export
from portal.order import Party
from portal.platforms.models import Platform
from portal.scope import tenant
from portal.tenants.models import User
from tests.desk import Desk
from tests.documents.builders import an_order, planned, write
from tests.shipments.builders import a_platform

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime.now(UTC)
THIS_YEAR = NOW.astimezone(BERLIN).year
REASON = "Lost with the old system."


@pytest.fixture
def desk(app, merchant, client_of):
    return Desk.of(app, merchant, client_of)


def the_range(purpose=Purpose.ORDER):
    return db.session.scalars(select(NumberRange).where(NumberRange.purpose == purpose)).one()


def make_yearly(prefix="A{YY}-", digits=4, last=None):
    own = the_range()
    service.lock(Purpose.ORDER)
    service.change_range(own, Numbering(prefix, digits, 1, last or largest(digits), THIS_YEAR))
    db.session.commit()
    return own


def placed_in(year, number=1):
    """An order of a day in the middle of a year."""
    return an_order(f"{year}-{number}", placed_at=datetime(year, 7, 1, 12, tzinfo=UTC))


def checked(own, year=None, **period):
    wanted = ledger.Wanted(ledger.Series(own.id, own.purpose, year), BERLIN, **period)
    return checking.check(wanted, own.next_of(year))


def numbers():
    db.session.expire_all()
    return sorted(db.session.scalars(select(Document.number)))


# Drawing

moments = st.datetimes(datetime(2025, 12, 30), datetime(2026, 1, 2)) | st.datetimes(
    datetime(2026, 12, 30), datetime(2027, 1, 2)
)
pages = st.lists(st.tuples(st.lists(moments, min_size=1, max_size=5), st.booleans()), min_size=1, max_size=5)


def year_of(moment):
    return moment.replace(tzinfo=UTC).astimezone(BERLIN).year


def expected_numbers(pages, yearly, last):
    """Order id to number, of those that get one; an independent account of what was committed."""
    drawn, given_out = Counter(), {}
    for place, (days, kept) in enumerate(pages):
        for index, day in enumerate(days):
            count = year_of(day) if yearly else None
            if kept and drawn[count] < last:
                drawn[count] += 1
                given_out[f"{place}-{index}"] = (count, drawn[count])
    return drawn, given_out


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=pages, yearly=st.booleans(), last=st.integers(1, 9), data=st.data())
def test_whatever_comes_no_number_is_left_out_or_given_twice(app, make_tenant, pages, yearly, last, data):
    merchant = make_tenant()
    with app.app_context(), tenant(merchant.tenant_id):
        platform = a_platform(merchant)
        own = the_range()
        own.prefix, own.last_number, own.yearly = ("A{YYYY}/" if yearly else "A"), last, yearly
        db.session.commit()
        source = intake.source_of(platform)
        for place, (days, kept) in enumerate(pages):
            orders = [an_order(f"{place}-{index}", placed_at=day.replace(tzinfo=UTC)) for index, day in enumerate(days)]
            intake.write_page(source, planned(source, *orders), [])
            (db.session.commit if kept else db.session.rollback)()

        drawn, given_out = expected_numbers(pages, yearly, last)
        documents = {one.order_id: one for one in db.session.scalars(select(Document))}
        assert {id: (one.number_year, one.number_value) for id, one in documents.items()} == given_out
        assert {one.number for one in documents.values()} == {
            f"A{year}/{value:07}" if yearly else f"A{value:07}" for year, value in given_out.values()
        }
        assert {one.number_range_id for one in documents.values()} <= {own.id}
        orders = sum(len(days) for days, kept in pages if kept)
        assert db.session.scalar(select(func.count(HeldOrder.id))) == orders - len(documents)
        for year in {2025, 2026, 2027} if yearly else {None}:
            found = checked(own, year)
            assert (found.drawn, found.skipped, found.findings) == (drawn[year], 0, [])
            assert (found.first, found.last) == ((1, drawn[year]) if drawn[year] else (None, None))
            assert own.next_of(year) == drawn[year] + 1
        addresses = checked(the_range(Purpose.ADDRESS))
        assert (addresses.drawn, addresses.findings) == (len(documents), [])

        # What others do to the rows is found, exactly.
        if yearly and documents:
            year = data.draw(st.sampled_from(sorted({year for year, _ in given_out.values()})))
            values = {id: value for id, (of, value) in given_out.items() if of == year}
            changed = {id: data.draw(st.none() | st.integers(1, drawn[year]), label=id) for id in values}
            for id, value in changed.items():
                bears = {"number_value": value} if value is not None else {"number_range_id": None}
                db.session.execute(update(Document).where(Document.order_id == id).values(**bears))
            left = Counter(value for value in changed.values() if value is not None)
            findings = checked(own, year).findings
            missing = [n for one in findings if one.missing for n in range(one.first, one.last + 1)]
            repeated = {n for one in findings if not one.missing for n in range(one.first, one.last + 1)}
            assert missing == [n for n in range(1, drawn[year] + 1) if n not in left]
            assert repeated == {n for n, times in left.items() if times > 1}


def test_a_page_around_new_year_draws_from_both_years(platform):
    own = make_yearly()
    moments = [datetime(2025, 12, 31, hour, 30, tzinfo=UTC) for hour in (22, 23, 22, 23)]
    write(platform, *(an_order(f"028-{n}", placed_at=at) for n, at in enumerate(moments)))
    by_order = dict(db.session.execute(select(Document.order_id, Document.number)).all())
    assert by_order == {"028-0": "A25-0001", "028-1": "A26-0001", "028-2": "A25-0002", "028-3": "A26-0002"}
    begun = dict(db.session.execute(select(NumberYear.year, NumberYear.next_number)).all())
    assert begun | {THIS_YEAR: 0} == {2025: 3, 2026: 3} | {THIS_YEAR: 0}
    assert own.next_number == 1


def test_what_is_behind_the_end_of_its_year_is_held_and_the_others_are_not(platform):
    make_yearly(last=2)
    tally = write(platform, *(placed_in(year, n) for year in (2024, 2025) for n in range(2 + year % 2)))
    assert (tally.created, tally.held) == (4, 1)
    own = the_range()
    service.change_range(own, Numbering(own.prefix, own.digits, own.next_of(THIS_YEAR), 9, THIS_YEAR))
    db.session.commit()
    assert len(held.retry_all().documents) == 1
    assert numbers() == ["A24-0001", "A24-0002", "A25-0001", "A25-0002", "A25-0003"]


def test_a_page_costs_as_many_statements_whatever_its_size_and_years(platform):
    make_yearly()
    source = intake.source_of(platform)
    db.session.commit()
    seen, counts = [], []

    def note(connection, cursor, statement, *_more):
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        for first, size in ((0, 2), (100, 60)):
            page = planned(source, *(placed_in(2020 + n % 7, n) for n in range(first, first + size)))
            seen.clear()
            intake.commit_page(source, page, [])
            counts.append(len(seen))
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert counts[0] == counts[1]


def test_workers_side_by_side_leave_no_gap_in_either_year(app, merchant, platform):
    own = make_yearly()
    platform_id, problems = platform.id, []

    def work(part):
        try:
            with app.app_context(), tenant(merchant.tenant_id):
                source = intake.source_of(db.session.get_one(Platform, platform_id))
                for start in range(0, 40, 8):
                    page = [placed_in(2025 + n % 2, n) for n in range(start, start + 8)]
                    intake.commit_page(source, planned(source, *page[::part]), [])
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(part,)) for part in (1, -1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    db.session.expire_all()
    for year in (2025, 2026):
        found = checked(own, year)
        assert (found.drawn, found.first, found.last, found.findings) == (20, 1, 20, [])


# Changing a range


def test_numbers_that_knew_no_year_are_not_given_out_again_once_years_begin(platform):
    """A2400001 was a number of a plain range; it would be the first of 2024 too."""
    own = the_range()
    service.change_range(own, Numbering("A24", 4, 1, largest(4)))
    db.session.commit()
    write(platform, *(placed_in(2024, n) for n in range(3)))
    make_yearly("A{YY}")
    write(platform, placed_in(2024, 3), placed_in(2023))
    assert numbers() == ["A230001", "A240001", "A240002", "A240003", "A240004"]
    found = checked(own, 2024)
    assert (found.drawn, found.skipped, found.findings) == (1, 3, [])


def test_numbers_of_the_present_year_that_are_given_out_are_refused(platform):
    own = the_range()
    prefix = f"A{THIS_YEAR % 100}"
    service.change_range(own, Numbering(prefix, 4, 1, largest(4)))
    db.session.commit()
    write(platform, placed_in(THIS_YEAR))
    with pytest.raises(service.NumbersTaken, match=f"{prefix}0002 is the next"):
        service.change_range(own, Numbering("A{YY}", 4, 1, largest(4), THIS_YEAR))


def test_switched_off_and_on_again_each_count_goes_on_where_it_was(platform):
    own = the_range()
    write(platform, placed_in(THIS_YEAR, 1), placed_in(THIS_YEAR, 2))
    make_yearly()
    write(platform, placed_in(THIS_YEAR, 3))
    service.change_range(own, Numbering("A", 7, own.next_of(None), largest(7)))
    db.session.commit()
    write(platform, placed_in(THIS_YEAR, 4))
    service.change_range(own, Numbering("A{YY}-", 4, own.next_of(THIS_YEAR), largest(4), THIS_YEAR))
    db.session.commit()
    write(platform, placed_in(THIS_YEAR, 5))
    short = THIS_YEAR % 100
    assert numbers() == ["A0000001", "A0000002", "A0000003", f"A{short}-0001", f"A{short}-0002"]
    assert not checked(own).findings and not checked(own, THIS_YEAR).findings
    assert ledger.years(own) == [THIS_YEAR, None]
    assert ledger.numbering_of(own, None).written(2) == "A0000002"


def test_a_range_never_counts_back_even_under_another_prefix(platform):
    write(platform, placed_in(2026, 1), placed_in(2026, 2))
    with pytest.raises(service.NumbersTaken, match="counted to 2 already; its next number is 3"):
        service.change_range(the_range(), Numbering("B", 7, 1, largest(7)))


def test_a_skip_has_a_reason_and_is_taken_back_as_far_as_nothing_was_drawn(platform, merchant):
    own = the_range()
    write(platform, placed_in(2026, 1))
    with pytest.raises(service.ReasonMissing, match="A0000002 to A0000009 would be left out"):
        service.change_range(own, Numbering("A", 7, 10, largest(7)))
    with pytest.raises(service.ReasonMissing, match="A0000002 would be left out"):
        service.change_range(own, Numbering("A", 7, 3, largest(7)))
    service.change_range(own, Numbering("A", 7, 10, largest(7)), REASON, merchant.user_id)
    service.change_range(own, Numbering("A", 7, 5, largest(7)))
    skip = db.session.scalars(select(NumberSkip)).one()
    assert (skip.first, skip.last, skip.reason, skip.user_id) == (2, 4, REASON, merchant.user_id)
    db.session.commit()
    write(platform, placed_in(2026, 2))
    found = checked(own)
    assert (found.drawn, found.skipped, found.first, found.last, found.findings) == (2, 3, 1, 5, [])
    with pytest.raises(service.NumbersTaken):
        service.change_range(own, Numbering("A", 7, 2, largest(7)))


def test_a_skip_stays_when_who_made_it_goes(platform, merchant):
    service.change_range(the_range(), Numbering("A", 7, 10, largest(7)), REASON, merchant.user_id)
    db.session.flush()
    db.session.delete(db.session.get_one(User, merchant.user_id))
    db.session.flush()
    db.session.expire_all()
    assert db.session.scalars(select(NumberSkip)).one().user_id is None
    db.session.rollback()


def test_a_status_goes_with_its_range_and_what_was_left_out_of_it(platform):
    guests = service.create_status("Guests", "", Numbering("G", 4, 1, largest(4)))
    service.update_status(guests, "Guests", "", Numbering("G", 4, 5, largest(4)), REASON)
    service.delete_status(guests)
    assert not db.session.scalars(select(NumberSkip)).all()


changes = st.tuples(st.sampled_from(["A", "A25", "A26", "A27", "A{YY}", "A{YYYY}"]), st.integers(3, 4))
steps = st.lists(
    st.tuples(changes, st.none() | st.integers(1, 5), st.lists(moments, min_size=1, max_size=4)), min_size=2, max_size=6
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_however_a_range_is_changed_no_number_is_given_out_twice(app, make_tenant, steps):
    """Nor is an order held since its number were another's; and each count of the range stays whole."""
    merchant = make_tenant()
    with app.app_context(), tenant(merchant.tenant_id):
        source, own, orders = intake.source_of(a_platform(merchant)), the_range(), 0
        for (prefix, digits), next_number, days in steps:
            year = own.present_year if "{" in prefix else None
            following = next_number or own.next_of(year)
            service.lock(own.purpose)
            try:
                service.change_range(own, Numbering(prefix, digits, following, largest(digits), year), REASON)
                db.session.commit()
            except service.NumbersTaken:
                db.session.rollback()
            page = [an_order(f"{orders + n}", placed_at=at.replace(tzinfo=UTC)) for n, at in enumerate(days)]
            intake.commit_page(source, planned(source, *page), [])
            orders += len(page)
        assert set(db.session.scalars(select(HeldOrder.cause))) <= {"numbers"}
        written = db.session.scalars(select(Document.number)).all()
        assert len(set(written)) == len(written)
        drawn = 0
        for year in {None, *(begun.year for begun in own.years)}:
            found = checked(own, year)
            assert not found.findings
            drawn += found.drawn
        assert drawn == len(written)


# Checking


def test_the_check_finds_a_gap_and_a_repeat(platform):
    write(platform, *(placed_in(2026, n) for n in range(1, 11)))
    db.session.execute(text("UPDATE document SET number_range_id = NULL WHERE order_id IN ('2026-4', '2026-5')"))
    db.session.execute(text("UPDATE document SET number_value = 7 WHERE order_id = '2026-8'"))
    found = checked(the_range())
    assert [(one.first, one.last, one.missing) for one in found.findings] == [
        (4, 5, True),
        (7, 7, False),
        (8, 8, True),
    ]
    assert (found.drawn, found.first, found.last, found.more) == (8, 1, 10, False)


def test_the_last_number_of_a_day_cannot_be_missing_unseen(platform):
    write(platform, *(placed_in(2026, n) for n in range(1, 7)))
    today = datetime.now(BERLIN).date()
    yesterday = today - timedelta(days=1)
    for day, written in ((today, Document.number_value > 3), (yesterday, Document.number_value <= 3)):
        noon = datetime.combine(day, time(12), BERLIN)
        db.session.execute(update(Document).where(written).values(created_at=noon))
    assert not checked(the_range(), until=yesterday).findings
    assert not checked(the_range(), since=today).findings
    db.session.execute(update(Document).where(Document.number_value == 3).values(number_range_id=None))
    for period in ({"until": yesterday}, {"since": today}, {}):
        assert [(one.first, one.missing) for one in checked(the_range(), **period).findings] == [(3, True)]
    nothing = checked(the_range(), until=yesterday - timedelta(days=1))
    assert (nothing.drawn, nothing.first, nothing.findings) == (0, None, [])
    db.session.execute(update(Document).where(Document.number_value == 6).values(number_range_id=None))
    assert [one.first for one in checked(the_range(), since=today).findings] == [3, 6]


def test_a_cancelled_document_keeps_its_number(platform):
    write(platform, placed_in(2026, 1), placed_in(2026, 2))
    db.session.execute(update(Document).values(state="cancelled"))
    assert checked(the_range()).drawn == 2


# Pages


def path_of(desk, purpose=Purpose.ORDER):
    with desk.inside():
        return f"/addresses/numbers/{the_range(purpose).id}"


FORM = {"prefix": "A", "digits": "7", "next_number": "1", "last_number": "", "shown_next": ""}


class TestForm:
    def test_a_year_needs_its_place_in_the_prefix(self, desk):
        path = path_of(desk)
        for form, sentence in (
            ({"yearly": "y"}, "Say once where the year stands: {YYYY} or {YY}."),
            ({"yearly": "y", "prefix": "{YY}{YY}"}, "Say once where the year stands: {YYYY} or {YY}."),
            ({"prefix": "A{YY}"}, "{YYYY} and {YY} are for numbers that begin anew each year."),
        ):
            page = desk.send(path, 422, **FORM | form)
            assert page.error_of("prefix") == sentence
            assert page.fields["prefix"] == (FORM | form)["prefix"]
            assert ("yearly" in page.fields) == ("yearly" in form)
        page = desk.send(path, 422, **FORM | {"yearly": "y", "prefix": "{YY}", "next_number": "0"})
        assert page.error_of("next_number") == "A year begins with 1."

    def test_addresses_know_no_year(self, desk):
        path = path_of(desk, Purpose.ADDRESS)
        assert not desk.open(path).all("input", name="yearly")
        page = desk.send(path, 422, **FORM | {"yearly": "y", "prefix": "{YY}"})
        assert page.error_of("prefix") == "{YYYY} and {YY} are for numbers that begin anew each year."

    def test_a_yearly_range_shows_the_present_year(self, desk):
        path = path_of(desk)
        desk.do(path, **FORM | {"prefix": "A{YYYY}-", "yearly": "y", "last_number": "101"})
        desk.document("028-1", placed_at=NOW)
        page = desk.open(path)
        assert page.fields["next_number"] == "2" and page.fields["yearly"] == "y"
        assert desk.open("/addresses/numbers").rows[0][2:5] == [
            f"A{THIS_YEAR}-0000002",
            f"A{THIS_YEAR}-0000101",
            "alert-triangle 100"[-3:],
        ]
        assert "“Sales orders” has 100 numbers left" in desk.open("/").words

    def test_the_next_numbers_are_those_of_the_year_while_they_are_typed(self, desk):
        path = path_of(desk)
        desk.document("028-1")
        typed = f"range={path.rpartition('/')[2]}&digits=4&next_number=2&shown_next=2&yearly=y"
        words = desk.open(f"/addresses/numbers/preview?{typed}&prefix=A{{YYYY}}-", htmx=True).words
        assert f"A{THIS_YEAR}-0001, A{THIS_YEAR}-0002" in words
        assert "show here" in desk.open(f"/addresses/numbers/preview?{typed}&prefix=A", htmx=True).words

    def test_the_reason_is_asked_for_only_where_numbers_are_left_out(self, desk):
        path = path_of(desk)
        assert not desk.open(path).all("input", name="reason")
        page = desk.send(path, 422, **FORM | {"next_number": "20"})
        assert page.error_of("reason") == "A0000001 to A0000019 would be left out. Say why, for the ledger."
        assert page.fields["next_number"] == "20"
        long = desk.send(path, 422, **FORM | {"next_number": "20", "reason": "x" * 201})
        assert long.fields["reason"] == "x" * 201
        desk.do(path, **FORM | {"next_number": "20", "reason": REASON})
        rows = desk.open(f"{path}/ledger").rows
        assert [(row[0], REASON in row[2]) for row in rows] == [("A0000001 to A0000019", True)]

    def test_a_status_asks_for_it_too(self, desk):
        path = next(link for link in desk.open("/addresses/statuses").links if link[-1].isdigit() and "=" not in link)
        form = desk.open(path).fields | {"next_number": "1000010"}
        page = desk.send(path, 422, **form)
        assert page.error_of("reason") == "1000000 to 1000009 would be left out. Say why, for the ledger."
        desk.do(path, **form | {"reason": REASON})


class TestLedger:
    def test_every_number_leads_to_what_bears_it(self, desk):
        path = path_of(desk)
        desk.document("028-1")
        desk.do(path, **FORM | {"next_number": "5", "reason": REASON})
        desk.document("028-2")
        page = desk.open(f"{path}/ledger")
        assert [row[0] for row in page.rows] == ["A0000005", "A0000002 to A0000004", "A0000001"]
        assert page.rows[0][2:] == ["028-2", "Käthe Müller"]
        documents = desk.documents()
        assert page.link("A0000005") == f"/documents/{documents['028-2'].id}"
        assert f"/addresses/{documents['028-2'].address_id}" in page.links
        turned = desk.open(page.one("a", class_="sort").attributes["href"])
        assert [row[0] for row in turned.rows] == ["A0000001", "A0000002 to A0000004", "A0000005"]

    def test_addresses_have_theirs(self, desk):
        desk.document("028-1")
        page = desk.open(f"{path_of(desk, Purpose.ADDRESS)}/ledger")
        with desk.inside():
            address = db.session.scalars(select(Address)).one()
        assert page.rows[0][0::2] == [address.number, "Käthe Müller"]
        assert page.link(address.number) == f"/addresses/{address.id}"

    @pytest.mark.parametrize("typed", ["A0000003", "a0000003", "3", " 0003 "])
    def test_a_number_is_found_also_where_it_was_left_out(self, desk, typed):
        path = path_of(desk)
        desk.document("028-1")
        desk.do(path, **FORM | {"next_number": "5", "reason": REASON})
        desk.document("028-2")
        assert [row[0] for row in desk.open(f"{path}/ledger", q=typed).rows] == ["A0000002 to A0000004"]
        assert [row[0] for row in desk.open(f"{path}/ledger", q="A0000005").rows] == ["A0000005"]
        assert "No number matches" in desk.open(f"{path}/ledger", q="B17").words

    def test_pages_follow_each_other_through_skips_and_all(self, desk):
        path = path_of(desk)
        desk.take(*(an_order(f"028-{n}") for n in range(60)))
        desk.do(path, **FORM | {"next_number": "71", "reason": REASON})
        desk.take(*(an_order(f"029-{n}") for n in range(60)))
        expected = [f"A{n:07}" for n in range(130, 70, -1)] + ["A0000061 to A0000070"]
        expected += [f"A{n:07}" for n in range(60, 0, -1)]
        seen, page = [], desk.open(f"{path}/ledger")
        while True:
            seen += [row[0] for row in page.rows]
            if not page.all("a", rel="next"):
                break
            page = desk.open(page.one("a", rel="next").attributes["href"])
        assert seen == expected
        back = desk.open(page.one("a", rel="prev").attributes["href"])
        assert [row[0] for row in back.rows] == expected[50:100]
        assert "50 of 121" in back.words

    def test_a_period_is_one_of_days_of_drawing_in_the_tenants_zone(self, desk):
        path = path_of(desk)
        desk.take(*(an_order(f"028-{n}") for n in range(3)))
        with desk.inside():
            for number, at in ((1, "2026-03-01 22:59Z"), (2, "2026-03-01 23:00Z"), (3, "2026-03-02 23:00Z")):
                db.session.execute(
                    text("UPDATE document SET created_at = :at WHERE number_value = :number"),
                    {"at": at, "number": number},
                )
            db.session.commit()

        def shown(**query):
            return [row[0] for row in desk.open(f"{path}/ledger", **query).rows]

        assert shown(since="2026-03-02") == ["A0000003", "A0000002"]
        assert shown(until="2026-03-01") == ["A0000001"]
        assert shown(since="2026-03-02", until="2026-03-02") == ["A0000002"]

    def test_of_a_yearly_range_one_year_is_shown(self, desk):
        path = path_of(desk)
        desk.document("028-0")
        desk.do(path, **FORM | {"prefix": "A{YYYY}-", "yearly": "y"})
        desk.document("028-1", placed_at=NOW)
        desk.document("028-2", placed_at=datetime(2021, 7, 1, tzinfo=UTC))
        page = desk.open(f"{path}/ledger")
        assert [row[0] for row in page.rows] == [f"A{THIS_YEAR}-0000001"]
        choices = [option.words for option in page.one("select", name="year").all("option")]
        assert choices == [str(THIS_YEAR), "2021", "Without a year"]
        assert [row[0] for row in desk.open(f"{path}/ledger", year="2021").rows] == ["A2021-0000001"]
        assert [row[0] for row in desk.open(f"{path}/ledger", year="none").rows] == ["A0000001"]
        grid = desk.open(f"{path}/ledger/check", year="2021").grid
        assert (grid["First number"], grid["Drawn"]) == ("A2021-0000001", "1")

    def test_the_check_says_what_it_saw(self, desk):
        path = path_of(desk)
        assert "No number was drawn" in desk.open(f"{path}/ledger/check").words
        desk.take(*(an_order(f"028-{n}") for n in range(5)))
        page = desk.open(desk.open(f"{path}/ledger").link("Check for gaps"))
        assert "No gap, no repeat." in page.words
        assert [page.grid[name] for name in ("First number", "Last number", "Drawn", "Left out")] == [
            "A0000001",
            "A0000005",
            "5",
            "0",
        ]
        with desk.inside():
            db.session.execute(text("UPDATE document SET number_value = 5 WHERE number_value = 3"))
            db.session.commit()
        page = desk.open(f"{path}/ledger/check")
        assert [row[0] for row in page.rows] == ["A0000003", "A0000005"]
        assert "Missing" in page.rows[0][1] and page.rows[0][2:] == ["A0000002", "A0000004"]
        assert "There more than once" in page.rows[1][1]
        assert [row[2] for row in desk.open(page.link("A0000004")).rows] == ["028-3"]

    def test_clerks_may_look(self, desk, app):
        with app.app_context(), tenant(desk.merchant.tenant_id):
            db.session.execute(update(User).values(role="clerk"))
            db.session.commit()
        path = path_of(desk)
        for more in ("", "/check", "?export=csv"):
            assert desk.browser.get(f"{path}/ledger{more}").status_code == 200
        assert desk.open("/addresses/numbers").links.count(f"{path}/ledger") == 1
        assert desk.browser.post(path, data=FORM).status_code == 403


class TestCsv:
    def rows(self, desk, path, language="en", **query):
        asked = {"query_string": {**query, "export": "csv"}, "headers": {"Accept-Language": language}}
        answer = desk.browser.get(f"{path}/ledger", **asked)
        assert answer.status_code == 200 and answer.mimetype == "text/csv"
        assert answer.data.startswith(b"\xef\xbb\xbf")
        assert "attachment" in answer.headers["Content-Disposition"]
        return list(
            csv.reader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";" if language == "de" else ",")
        )

    @pytest.mark.parametrize("language", ["en", "de"])
    def test_it_holds_what_is_filtered(self, desk, language):
        path = path_of(desk)
        desk.document("028-1")
        desk.do(path, **FORM | {"next_number": "5", "reason": REASON})
        desk.document("028-2")
        head, *rows = self.rows(desk, path, language)
        assert len(head) == 6
        assert [[*row[:2], *row[3:]] for row in rows] == [
            ["A0000005", "", "028-2", "Käthe Müller", ""],
            ["A0000002", "A0000004", "", "", REASON],
            ["A0000001", "", "028-1", "Käthe Müller", ""],
        ]
        assert [row[0] for row in self.rows(desk, path, language, q="1")[1:]] == ["A0000001"]

    def test_it_is_read_in_pieces(self, desk, monkeypatch):
        monkeypatch.setattr(export, "ROWS_AT_ONCE", 7)
        desk.take(*(an_order(f"028-{n}") for n in range(21)))
        rows = self.rows(desk, path_of(desk))[1:]
        assert [row[0] for row in rows] == [f"A{n:07}" for n in range(21, 0, -1)]

    def test_no_formula_runs(self, desk):
        desk.document("028-1", buyer=Party(name='=HYPERLINK("http://evil.example")'))
        assert self.rows(desk, path_of(desk))[1][4] == '\'=HYPERLINK("http://evil.example")'


def test_a_neighbours_ledger_is_not_there(desk, make_tenant, client_of, app):
    desk.document("028-1")
    other = client_of(make_tenant())
    for more in ("", "/check", ".csv"):
        assert other.get(f"{path_of(desk)}/ledger{more}").status_code == 404
