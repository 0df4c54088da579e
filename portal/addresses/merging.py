"""Two addresses of one customer become one, and two again: what is moved is written down, to be moved back.

Merging takes the lock that a page of orders takes, the number range of orders, so no order that comes in
meanwhile is lost: its document is moved with the others, or bears the kept address from the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flask_babel import gettext as _
from sqlalchemy import BigInteger, ColumnElement, String, Update, any_, exists, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from portal.addresses.models import Address, AddressApart, AddressMerge, AddressReference, Purpose
from portal.addresses.service import lock
from portal.documents.models import Document
from portal.errors import Refused
from portal.extensions import db
from portal.platforms.models import PlatformAddress
from portal.scope import current_tenant_id


class MergeRefused(Refused):
    """These two addresses cannot become one."""

    field = "number"


class UndoRefused(Refused):
    """The merge cannot be undone, or not before another one is."""


def other_address(address: Address, number: str) -> Address:
    """The address with this number, which `address` may be merged with. Raises MergeRefused."""
    other: Address | None = db.session.scalar(select(Address).where(Address.number == number))
    if other is None:
        raise MergeRefused(_("There is no address with the number %(number)s.", number=number))
    _check_mergeable(address, other)
    return other


def merge(kept: Address, merged: Address, user_id: int) -> AddressMerge:
    """Give the kept address all documents and references of the other one. Raises MergeRefused."""
    _lock(kept, merged)
    _check_mergeable(kept, merged)
    if db.session.scalar(select(exists(select(PlatformAddress).where(PlatformAddress.address_id == merged.id)))):
        raise MergeRefused(
            _(
                "%(number)s stands in for buyers of a platform, so it has to stay. Choose another one there first.",
                number=merged.number,
            )
        )
    documents = db.session.scalars(_documents_to(kept).where(Document.address_id == merged.id).returning(Document.id))
    document_ids = sorted(documents)
    moved: dict[str, list[str]] = {}
    for platform_id, reference in db.session.execute(
        _references_to(kept)
        .where(AddressReference.address_id == merged.id)
        .returning(AddressReference.platform_id, AddressReference.buyer_reference)
    ):
        moved.setdefault(str(platform_id), []).append(reference)
    merged.merged_into_id = kept.id
    done = AddressMerge(
        tenant_id=current_tenant_id(),
        kept_id=kept.id,
        merged_id=merged.id,
        document_ids=document_ids,
        buyer_references=moved,
        merged_by_id=user_id,
    )
    db.session.add(done)
    db.session.flush()
    return done


def undo(done: AddressMerge) -> None:
    """Let the merged address appear again, with what was moved and still is the kept one's. Raises UndoRefused."""
    kept, merged = done.kept, done.merged
    _lock(kept, merged, done)
    if done.undone_at is not None:
        raise UndoRefused(_("This merge is undone already."))
    if kept.merged_into is not None:
        raise UndoRefused(
            _(
                "%(kept)s was merged into %(other)s afterwards. Undo that first.",
                kept=kept.number,
                other=kept.merged_into.number,
            )
        )
    db.session.execute(
        _documents_to(merged).where(
            Document.id == any_(literal(done.document_ids, ARRAY(BigInteger))), Document.address_id == kept.id
        )
    )
    if done.buyer_references:
        db.session.execute(
            _references_to(merged).where(_named(done.buyer_references), AddressReference.address_id == kept.id)
        )
    merged.merged_into_id = None
    done.undone_at = datetime.now(UTC)
    db.session.flush()


def keep_apart(address: Address, other: Address) -> None:
    """Remember that these are two customers, however alike they look. Saying so twice changes nothing."""
    older, newer = sorted((address.id, other.id))
    db.session.execute(
        insert(AddressApart)
        .values(tenant_id=current_tenant_id(), older_id=older, newer_id=newer)
        .on_conflict_do_nothing()
    )


def _lock(*rows: Address | AddressMerge) -> None:
    """Wait for the page of orders, or the merge, that is under way; then see the rows as they are."""
    lock(Purpose.ORDER)  # and with it those of all documents
    for row in rows:
        db.session.refresh(row)


def _check_mergeable(address: Address, other: Address) -> None:
    if address.id == other.id:
        raise MergeRefused(_("This is the address itself. Type the number of the other one."))
    for one in (address, other):
        if one.merged_into is not None:
            raise MergeRefused(
                _("%(number)s was merged into %(other)s already.", number=one.number, other=one.merged_into.number)
            )


def _documents_to(address: Address) -> Update:
    return update(Document).values(address_id=address.id).execution_options(synchronize_session=False)


def _references_to(address: Address) -> Update:
    return update(AddressReference).values(address_id=address.id).execution_options(synchronize_session=False)


def _named(references: Mapping[str, Sequence[str]]) -> ColumnElement[bool]:
    """True for these references, which are told by platform."""
    return or_(
        *(
            (AddressReference.platform_id == int(platform_id))
            & (AddressReference.buyer_reference == any_(literal(list(named), ARRAY(String))))
            for platform_id, named in references.items()
        )
    )
