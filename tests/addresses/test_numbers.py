"""Number ranges: no number twice, none left out, and a clear word when there is none left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from portal.addresses import service
from portal.addresses.models import Address, AddressStatus, NumberRange, Purpose
from portal.addresses.numbers import YEARS, Numbering, largest
from portal.documents.models import Document, HeldOrder
from portal.extensions import db
from portal.held import service as held
from portal.order import Party
from portal.sentences import say
from tests.documents.builders import an_order, write

PREFIXES = st.text("A1", max_size=2)


@st.composite
def numberings(draw):
    digits = draw(st.integers(1, 3))
    first, last = sorted(draw(st.tuples(st.integers(0, largest(digits)), st.integers(0, largest(digits)))))
    return Numbering(draw(PREFIXES), digits, first, last)


@st.composite
def yearly_numberings(draw):
    """Numbers of one digit, of every year: with the year, they may be those of a longer range."""
    prefix = draw(st.sampled_from(["A{YY}", "{YYYY}", "{YY}1", "1{YY}"]))
    first, last = sorted(draw(st.tuples(st.integers(1, 9), st.integers(1, 9))))
    return Numbering(prefix, 1, first, last, draw(st.integers(2025, 2027)))


def everything(numbering):
    numbers = range(numbering.next_number, numbering.last_number + 1)
    if numbering.year is None:
        return {f"{numbering.prefix}{number:0{numbering.digits}}" for number in numbers}
    return {
        numbering.prefix.replace("{YYYY}", str(year)).replace("{YY}", str(year)[2:]) + str(number)
        for year in YEARS
        for number in (numbers if year == numbering.year else range(1, numbering.last_number + 1))
    }


@given(numberings() | yearly_numberings(), numberings() | yearly_numberings())
def test_two_ranges_meet_if_and_only_if_they_would_write_the_same_number(one, other):
    assert one.meets(other) == other.meets(one) == bool(everything(one) & everything(other))


@given(yearly_numberings())
def test_a_year_stands_in_its_numbers(numbering):
    written = numbering.written(numbering.next_number)
    assert str(numbering.year)[-2:] in written and "{" not in written
    assert numbering.read(written.lower()) == numbering.read(str(numbering.next_number)) == numbering.next_number
    assert numbering.preview() == [numbering.written(numbering.next_number + n) for n in range(3)][: numbering.left]


@given(numberings())
def test_what_is_left_is_what_can_be_written(numbering):
    assert numbering.left == len(everything(numbering))
    assert numbering.preview() == sorted(everything(numbering))[:3]


def the_range(purpose):
    return db.session.scalars(select(NumberRange).where(NumberRange.purpose == purpose)).one()


def leave(purpose, count):
    """Let a range have so many numbers left."""
    own = the_range(purpose)
    own.last_number = own.next_number + count - 1
    db.session.commit()
    return own.next_number


def buyer(number):
    return {"buyer": Party(name=f"Buyer {number}"), "buyer_reference": f"buyer-{number}"}


def numbers_of(column):
    return sorted(db.session.scalars(select(column)))


@pytest.mark.parametrize("purpose", list(Purpose))
def test_orders_without_a_number_are_held_and_the_others_are_not(platform, purpose):
    if purpose != Purpose.ADDRESS:
        platform.document_type = purpose.value
    leave(purpose, 3)
    tally = write(platform, *(an_order(f"028-{n}", **buyer(n)) for n in range(5)))
    assert (tally.created, tally.held) == (3, 2)
    assert len(numbers_of(Document.number)) == len(numbers_of(Address.number)) == 3
    waiting = db.session.scalars(select(HeldOrder)).all()
    assert {one.cause for one in waiting} == {"numbers"}
    assert say(waiting[0].reason) == (
        f"The number range “{the_range(purpose).name}” has run out. Give it more numbers."
    )


def test_known_buyers_need_no_number_for_their_address(platform):
    write(platform, an_order("028-0", **buyer(1)))
    leave(Purpose.ADDRESS, 1)
    tally = write(platform, *(an_order(f"028-{n}", **buyer(n % 2 + 1)) for n in range(1, 6)))
    assert (tally.created, tally.held) == (5, 0)
    assert len(numbers_of(Address.number)) == 2


def test_given_more_numbers_what_was_held_becomes_documents_without_a_gap(platform):
    first = leave(Purpose.ORDER, 1)
    write(platform, *(an_order(f"028-{n}", **buyer(n)) for n in range(3)))
    own = the_range(Purpose.ORDER)
    service.change_range(own, Numbering(own.prefix, own.digits, own.next_number, largest(own.digits)))
    db.session.commit()
    assert len(held.retry_all().documents) == 2
    assert numbers_of(Document.number) == [own.numbering.written(first + step) for step in range(3)]
    assert not db.session.scalars(select(HeldOrder)).all()


def test_a_number_given_out_is_never_given_out_again(platform):
    write(platform, *(an_order(f"028-{n}", **buyer(n)) for n in range(3)))
    own = the_range(Purpose.ORDER)
    back = Numbering(own.prefix, own.digits, own.next_number - 2, own.last_number)
    with pytest.raises(service.NumbersTaken, match=f"up to {own.numbering.written(own.next_number - 1)} "):
        service.change_range(own, back)


def test_a_gap_that_others_left_may_be_filled(platform):
    """Numbers beyond the range's end are nothing to it: the blocks of two ranges may lie side by side."""
    write(platform, an_order("028-1"))
    own = the_range(Purpose.ADDRESS)
    below = Numbering(own.prefix, own.digits, 1, own.next_number - 2)
    status = service.create_status("Guests", "", below)
    assert status.number_range.numbering == below


@pytest.mark.parametrize(
    ("prefix", "digits"), [("", 7), ("1", 6), ("99999", 2)], ids=["the same", "with a digit as prefix", "its last"]
)
def test_two_ranges_never_give_out_the_same(platform, prefix, digits):
    with pytest.raises(service.NumbersTaken, match="gives out the same numbers"):
        service.create_status("Guests", "", Numbering(prefix, digits, 0, largest(digits)))
    assert len(service.statuses()) == 1


def test_a_copy_has_a_name_and_numbers_of_its_own(platform):
    (original,) = service.statuses()
    for _ in range(3):
        name, numbering = service.copied(original)
        service.create_status(name, original.category, numbering)
    found = service.statuses()
    assert [status.name for status in found] == [
        "Marketplace customers",
        "Marketplace customers (copy 2)",
        "Marketplace customers (copy 3)",
        "Marketplace customers (copy)",
    ]
    assert len({status.number_range.prefix for status in found}) == 4


def test_new_customers_get_the_status_and_number_that_the_platform_names(platform):
    guests = service.create_status("Guests", "Retail", Numbering("G", 4, 1, largest(4)))
    write(platform, an_order("028-0", **buyer(1)))
    platform.address_status_id = guests.id
    db.session.commit()
    write(platform, an_order("028-1", **buyer(1)), an_order("028-2", **buyer(2)))
    found = {address.name: (address.number, address.status.name) for address in db.session.scalars(select(Address))}
    assert found["Buyer 2"] == ("G0001", "Guests")
    assert found["Buyer 1"][1] == "Marketplace customers"


def test_a_status_in_use_stays(platform):
    guests = service.create_status("Guests", "", Numbering("G", 4, 1, largest(4)))
    (usual,) = [status for status in service.statuses() if status is not guests]
    with pytest.raises(service.StatusInUse, match="New customers of"):
        service.delete_status(usual)
    write(platform, an_order("028-0"))
    with pytest.raises(service.StatusInUse, match="There are addresses"):
        service.delete_status(usual)
    service.delete_status(guests)
    assert [status.name for status in service.statuses()] == ["Marketplace customers"]
    assert db.session.scalars(select(NumberRange.prefix)).all().count("G") == 0
    assert db.session.scalars(select(AddressStatus)).one() is usual
