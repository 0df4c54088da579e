"""What documents refer to: payment methods, payment terms, shipping methods, tax codes; and the settings of taxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from portal.addresses.models import AddressStatus
from portal.documents.models import Document
from portal.errors import Refused
from portal.extensions import db
from portal.lists import counts_up_to
from portal.masterdata import eu_rates
from portal.masterdata.models import (
    Article,
    Choice,
    PaymentMethod,
    PaymentTerms,
    ShippingMethod,
    TaxCode,
    TaxRate,
    TaxSettings,
)
from portal.masterdata.rates import take_over
from portal.platforms.models import Platform, RemoteValue
from portal.scope import current_tenant_id

LONGEST_NAME = 60
LONGEST_CODE = 20

# A list says "documents" where one of the newest has the record. All are asked only before one is removed: the
# column has no index, which would slow intake down.
RECENT = 1_000


class NameTaken(Refused):
    """Another record of this kind bears this name."""

    field = "name"


class CodeTaken(Refused):
    """Another tax code of the tenant is written so."""

    field = "code"


class InUse(Refused):
    """Something refers to the record."""


def counts() -> dict[str, int | None]:
    """How many records there are of each kind, by the name of its table; None where they are too many to count."""
    models = (PaymentMethod, PaymentTerms, ShippingMethod, Article, TaxCode, TaxRate)
    counted = counts_up_to([select(model.id) for model in models])
    return dict(zip((model.__tablename__ for model in models), counted, strict=True))


def offered(model: type[Choice], *kept: int | None) -> Sequence[Choice]:
    """The records of a kind that may be chosen, by name. `kept` stays where it is used, though it be switched off."""
    found: Sequence[Choice] = db.session.scalars(
        select(model).where(or_(model.active, model.id.in_(_ids(kept)))).order_by(model.name)
    ).all()
    return found


def create(model: type[Choice], name: str, active: bool) -> Choice:
    """A new record. Raises NameTaken; nothing is written then."""
    record: Choice | None = db.session.scalar(
        insert(model)
        .values(tenant_id=current_tenant_id(), name=name, active=active)
        .on_conflict_do_nothing()
        .returning(model)
    )
    if record is None:
        raise _name_taken(name)
    return record


def update(record: Choice, name: str, active: bool) -> None:
    """Rename a record, or switch it on or off. Raises NameTaken."""
    try:
        with db.session.begin_nested():
            record.name, record.active = name, active
    except IntegrityError as taken:
        raise _name_taken(name) from taken


def delete(record: Choice) -> None:
    """Remove a record that nothing refers to. Raises InUse, which names what does."""
    used = list(_places(type(record)).get(record.id, []))
    column = _column(Document, type(record))
    if db.session.scalar(select(exists(select(Document.id).where(column == record.id)))):
        used.append(_("documents"))
    _remove(record, record.name, used)


def uses(model: type[Choice]) -> Mapping[int, list[str]]:
    """Where the records of a kind are used, in words, by their ids. Of documents the newest are asked."""
    found = _places(model)
    column = _column(Document, model)
    newest = select(column).order_by(Document.ordered_at.desc(), Document.id.desc()).limit(RECENT).subquery()
    for id in db.session.scalars(select(newest.c[0]).distinct().where(newest.c[0].is_not(None))):
        found[id].append(_("documents"))
    return found


def offered_codes(*kept: int | None) -> Sequence[TaxCode]:
    """The tax codes that may be chosen. `kept` stays where it is used, though it be switched off."""
    found: Sequence[TaxCode] = db.session.scalars(
        select(TaxCode).where(or_(TaxCode.active, TaxCode.id.in_(_ids(kept)))).order_by(TaxCode.code)
    ).all()
    return found


def create_code(code: str, name: str, active: bool) -> TaxCode:
    """A new tax code. Raises CodeTaken; nothing is written then."""
    written: TaxCode | None = db.session.scalar(
        insert(TaxCode)
        .values(tenant_id=current_tenant_id(), code=code, name=name, active=active)
        .on_conflict_do_nothing()
        .returning(TaxCode)
    )
    if written is None:
        raise _code_taken(code)
    return written


def update_code(code: TaxCode, wanted: str, name: str, active: bool) -> None:
    """Change a tax code, or switch it on or off. Documents keep the code they were given. Raises CodeTaken."""
    try:
        with db.session.begin_nested():
            code.code, code.name, code.active = wanted, name, active
    except IntegrityError as taken:
        raise _code_taken(wanted) from taken


def delete_code(code: TaxCode) -> None:
    """Remove a tax code that no rate and no setting refers to; documents keep theirs. Raises InUse."""
    _remove(code, code.code, code_uses().get(code.id, []))


def code_uses() -> Mapping[int, list[str]]:
    """Where tax codes are used, in words, by their ids."""
    found = defaultdict(list)
    counted = select(TaxRate.tax_code_id, func.count()).group_by(TaxRate.tax_code_id)
    for id, number in db.session.execute(counted):
        found[id].append(ngettext("%(num)d tax rate", "%(num)d tax rates", number))
    row = settings()
    for id, place in (
        (row.reverse_charge_code_id, _("reverse charge")),
        (row.export_code_id, _("export")),
        (row.collected_code_id, _("tax collected by the marketplace")),
    ):
        if id is not None:
            found[id].append(place)
    return found


def settings() -> TaxSettings:
    """The tenant's one row."""
    row: TaxSettings = db.session.get_one(TaxSettings, current_tenant_id())
    return row


def add_defaults() -> None:
    """Give the tenant in scope one record of each kind, the settings of taxes, and the EU's rates."""
    tenant_id = current_tenant_id()
    db.session.add_all(
        [
            PaymentMethod(tenant_id=tenant_id, name=_("Marketplace")),
            PaymentTerms(tenant_id=tenant_id, name=_("Paid at the marketplace")),
            ShippingMethod(tenant_id=tenant_id, name=_("Standard")),
            TaxSettings(tenant_id=tenant_id),
        ]
    )
    db.session.flush()
    seed_rates()


def seed_rates() -> None:
    """Give the tenant in scope the rates of all member states, and a tax code for each."""
    take_over(eu_rates.COUNTRIES)


def _ids(kept: Sequence[int | None]) -> list[int]:
    return [id for id in kept if id is not None]


def _column(of: type, model: type[Choice]) -> Any:
    """The column of a table that refers to a kind of record; None where it has none."""
    return getattr(of, f"{model.__tablename__}_id", None)  # type: ignore[attr-defined]


def _places(model: type[Choice]) -> defaultdict[int, list[str]]:
    """What but documents refers to the records of a kind."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for id, place in _named(model):
        found[id].append(place)
    return found


def _named(model: type[Choice]) -> Iterator[tuple[int, str]]:
    column = _column(Platform, model)
    named = select(column, Platform.name).where(column.is_not(None)).order_by(Platform.name)
    for id, name in db.session.execute(named):
        yield id, _("platform %(name)s", name=name)
    column = _column(RemoteValue, model)
    if column is not None:
        mapped = select(column, Platform.name, RemoteValue.value).join(Platform, Platform.id == RemoteValue.platform_id)
        mapped = mapped.where(column.is_not(None)).order_by(Platform.name, RemoteValue.value)
        for id, name, value in db.session.execute(mapped):
            yield id, _("“%(value)s” of %(name)s", value=value, name=name)
    column = _column(AddressStatus, model)
    if column is not None:
        named = select(column, AddressStatus.name).where(column.is_not(None)).order_by(AddressStatus.name)
        for id, name in db.session.execute(named):
            yield id, _("address status %(name)s", name=name)


def _remove(record: Choice | TaxCode, name: str, used: Sequence[str]) -> None:
    if used:
        raise _in_use(name, used)
    try:
        with db.session.begin_nested():
            db.session.delete(record)
    except IntegrityError as chosen:  # by somebody else, just now
        raise _in_use(name, [_("a setting")]) from chosen


def _in_use(name: str, used: Sequence[str]) -> InUse:
    places = ", ".join(used)
    return InUse(
        _("“%(name)s” is used and stays: %(places)s. You can switch it off instead.", name=name, places=places)
    )


def _name_taken(name: str) -> NameTaken:
    return NameTaken(_("“%(name)s” is there already.", name=name))


def _code_taken(code: str) -> CodeTaken:
    return CodeTaken(_("The tax code “%(code)s” is there already.", code=code))
