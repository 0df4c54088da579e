"""Address statuses and number ranges: made, copied, changed, and kept from giving out a number twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from flask_babel import gettext as _
from sqlalchemy import exists, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, selectinload

from portal.addresses import ledger
from portal.addresses.matching import MatchRule
from portal.addresses.models import Address, AddressStatus, NumberRange, NumberYear, Purpose
from portal.addresses.numbers import YEAR_PLACES, Numbering, largest
from portal.errors import Refused
from portal.extensions import db
from portal.platforms.models import Platform
from portal.scope import current_tenant_id
from portal.tenants.models import Tenant

LONGEST_NAME = 60
LONGEST_PREFIX = 10


class NameTaken(Refused):
    """Another address status of the tenant bears this name."""

    field = "name"


class NumbersTaken(Refused):
    """Another range gives out the same numbers, or some of them are given out already."""

    field = "next_number"


class ReasonMissing(Refused):
    """Numbers would be left out, and nobody says why."""

    field = "reason"


class StatusInUse(Refused):
    """Addresses or platforms have this status."""


def choose_rule(rule: MatchRule) -> None:
    """From the next fetch on returning customers are known by this rule. Addresses that are there stay as they are."""
    db.session.get_one(Tenant, current_tenant_id()).match_rule = rule
    db.session.flush()


def statuses() -> Sequence[AddressStatus]:
    """The tenant's address statuses by name, each with its number range."""
    found: Sequence[AddressStatus] = db.session.scalars(
        select(AddressStatus).options(joinedload(AddressStatus.number_range)).order_by(AddressStatus.name)
    ).all()
    return found


def ranges() -> Sequence[NumberRange]:
    """The tenant's number ranges, by name."""
    found: Sequence[NumberRange] = db.session.scalars(
        select(NumberRange).order_by(NumberRange.name, NumberRange.id)
    ).all()
    return found


def running_out() -> Sequence[NumberRange]:
    """The ranges that have few numbers left, or none."""
    return [number_range for number_range in ranges() if number_range.numbering.runs_out]


def create_status(name: str, category: str, numbering: Numbering, payment_terms_id: int | None = None) -> AddressStatus:
    """An address status with a number range of its own. Raises NameTaken, NumbersTaken; nothing is written then."""
    _check_numbers(Purpose.ADDRESS, numbering, None)
    own = NumberRange(tenant_id=current_tenant_id(), purpose=Purpose.ADDRESS, name=name)
    _number(own, numbering)
    status = AddressStatus(
        tenant_id=current_tenant_id(),
        name=name,
        category=category,
        number_range=own,
        payment_terms_id=payment_terms_id,
    )
    try:
        with db.session.begin_nested():
            db.session.add(status)
    except IntegrityError as taken:
        raise _name_taken(name) from taken
    return status


def update_status(
    status: AddressStatus,
    name: str,
    category: str,
    numbering: Numbering,
    reason: str = "",
    user_id: int | None = None,
    payment_terms_id: int | None = None,
) -> None:
    """Change a status and its range. Raises NameTaken, NumbersTaken, ReasonMissing; the caller rolls back."""
    change_range(status.number_range, numbering, reason, user_id)
    try:
        with db.session.begin_nested():
            status.name, status.category, status.number_range.name = name, category, name
            status.payment_terms_id = payment_terms_id
    except IntegrityError as taken:
        raise _name_taken(name) from taken


def delete_status(status: AddressStatus) -> None:
    """Remove a status that nothing has, with its range. Raises StatusInUse."""
    if db.session.scalar(select(exists(select(Address.id).where(Address.status_id == status.id)))):
        raise StatusInUse(_("There are addresses with the status “%(name)s”, so it stays.", name=status.name))
    platforms = db.session.scalars(
        select(Platform.name).where(or_(Platform.address_status_id == status.id, Platform.guest_status_id == status.id))
    ).all()
    if platforms:
        raise StatusInUse(
            _(
                "New customers of %(platforms)s get the status “%(name)s”. Give them another one first.",
                platforms=", ".join(platforms),
                name=status.name,
            )
        )
    own = status.number_range
    db.session.delete(status)
    db.session.flush()
    db.session.delete(own)
    db.session.flush()


def change_range(number_range: NumberRange, numbering: Numbering, reason: str = "", user_id: int | None = None) -> None:
    """Change what a range gives out next. Waits for the page of orders that draws from it.

    Numbers that are left out so are kept in the ledger with the reason, and who gave it.
    Raises NumbersTaken, ReasonMissing; the caller rolls back.
    """
    _check_numbers(number_range.purpose, numbering, number_range)
    present = number_range.next_of(numbering.year)
    if numbering.next_number > present:
        if not reason:
            raise ReasonMissing(_left_out(numbering, present, numbering.next_number - 1))
        ledger.skip(number_range, numbering.year, present, numbering.next_number - 1, reason, user_id)
    else:
        ledger.take_back_skips(number_range, numbering.year, numbering.next_number)
    _number(number_range, numbering)
    if numbering.year is not None:
        _begin_behind(number_range, numbering)
    db.session.flush()


def copied(status: AddressStatus) -> tuple[str, Numbering]:
    """A name and numbers for a copy of a status: the same kind of numbers under a prefix nobody has."""
    taken = {other.name for other in statuses()}
    name, count = _("%(name)s (copy)", name=status.name), 2
    while name in taken:
        name, count = _("%(name)s (copy %(count)s)", name=status.name, count=count), count + 1
    original = status.number_range.numbering
    others = [other.numbering for other in ranges() if other.purpose == Purpose.ADDRESS]
    for letter in ascii_uppercase:
        prefix = f"{letter}{original.prefix}"[:LONGEST_PREFIX]
        numbering = Numbering(prefix, original.digits, 1, largest(original.digits))
        if not any(numbering.meets(other) for other in others):
            return name[:LONGEST_NAME], numbering
    return name[:LONGEST_NAME], original


def lock(purpose: Purpose) -> Sequence[NumberRange]:
    """The ranges that number what this kind does, all documents or all addresses, as they are now.

    Nobody draws from them or changes one until the transaction ends.
    """
    of_addresses = NumberRange.purpose == Purpose.ADDRESS
    these = of_addresses if purpose == Purpose.ADDRESS else ~of_addresses
    query = select(NumberRange).where(these).order_by(NumberRange.id).with_for_update()
    fresh = {"populate_existing": True}
    return list(db.session.scalars(query.options(selectinload(NumberRange.years)), execution_options=fresh))


def _check_numbers(purpose: Purpose, numbering: Numbering, own: NumberRange | None) -> None:
    for other in lock(purpose):
        if other is not own and numbering.meets(other.numbering):
            raise NumbersTaken(_("“%(name)s” gives out the same numbers one day.", name=other.name))
    last = _last_drawn(purpose, numbering)
    if last is not None:
        raise NumbersTaken(
            _(
                "Numbers up to %(last)s are given out already; %(next)s is the next.",
                last=numbering.written(last),
                next=numbering.written(last + 1),
            )
        )
    counted = ledger.last_drawn(own, numbering.year) if own is not None else None
    if counted is not None and counted >= numbering.next_number:
        raise NumbersTaken(
            _(
                "This range has counted to %(last)s already; its next number is %(next)s at least.",
                last=counted,
                next=counted + 1,
            )
        )


def _last_drawn(purpose: Purpose, numbering: Numbering) -> int | None:
    """The largest number among those the range would give out that somebody has already."""
    bearer = ledger.bearer_of(purpose)
    column, start = bearer.number, numbering.written_prefix
    digits = func.substr(column, len(start) + 1).collate("C")
    first, last = f"{numbering.next_number:0{numbering.digits}}", f"{numbering.last_number:0{numbering.digits}}"
    found = db.session.scalar(
        select(func.max(digits)).where(
            bearer.tenant_id == current_tenant_id(),
            column.regexp_match(f"^{re.escape(start)}[0-9]{{{numbering.digits}}}$"),
            digits.between(first, last),
        )
    )
    return int(found) if found is not None else None


def _begin_behind(number_range: NumberRange, numbering: Numbering) -> None:
    """Let each other year begin behind what was given out as if it were a number of that year."""
    place = next(place for place in YEAR_PLACES if place in numbering.prefix)
    before, after = numbering.prefix.split(place)
    width = YEAR_PLACES[place]
    bearer = ledger.bearer_of(number_range.purpose)
    year = func.substr(bearer.number, len(before) + 1, width)
    digits = func.substr(bearer.number, len(before) + width + len(after) + 1).collate("C")
    shape = f"^{re.escape(before)}[0-9]{{{width}}}{re.escape(after)}[0-9]{{{numbering.digits}}}$"
    given_out = select(year, func.max(digits)).where(
        bearer.tenant_id == current_tenant_id(), bearer.number.regexp_match(shape)
    )
    for written, largest_given in db.session.execute(given_out.group_by(year)):
        other, last = int(written) if width == 4 else 2000 + int(written), int(largest_given)
        begun = number_range.next_of(other)
        if other != numbering.year and begun <= last:
            reason = _("Given out before the numbers began anew each year.")
            ledger.skip(number_range, other, begun, last, reason, None)
            _count_on(number_range, other, last + 1)


def _number(number_range: NumberRange, numbering: Numbering) -> None:
    number_range.prefix, number_range.digits = numbering.prefix, numbering.digits
    number_range.last_number, number_range.yearly = numbering.last_number, numbering.year is not None
    if numbering.year is None:
        number_range.next_number = numbering.next_number
    else:
        _count_on(number_range, numbering.year, numbering.next_number)


def _count_on(number_range: NumberRange, year: int, next_number: int) -> None:
    """Let the numbers of a year go on with this one."""
    begun = next((begun for begun in number_range.years if begun.year == year), None)
    if begun is None:
        begun = NumberYear(tenant_id=current_tenant_id(), year=year)
        number_range.years.append(begun)
    begun.next_number = next_number


def _left_out(numbering: Numbering, first: int, last: int) -> str:
    if first == last:
        return _("%(number)s would be left out. Say why, for the ledger.", number=numbering.written(first))
    return _(
        "%(first)s to %(last)s would be left out. Say why, for the ledger.",
        first=numbering.written(first),
        last=numbering.written(last),
    )


def _name_taken(name: str) -> NameTaken:
    return NameTaken(_("There is already an address status called “%(name)s”.", name=name))
