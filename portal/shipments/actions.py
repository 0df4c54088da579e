"""Reporting many parcels at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select

from portal.automation.areas import Outcome
from portal.automation.models import Made
from portal.extensions import db
from portal.sentences import sentence, source_of
from portal.shipments import service
from portal.shipments.models import MessageState, Shipment

# Parcels are looked up in portions; each is reported in a transaction of its own.
PORTION = 100


OPEN = (*service.IN_FLIGHT, MessageState.FAILED)


def report_again(ids: Select[Any]) -> Outcome:
    """Report the parcels whose ids this query finds, as far as the marketplace has not confirmed them."""
    reported: list[int] = []
    last = 0
    warnings: list[str] = []
    errors: list[str] = []
    # By name, for the index of states: those that are confirmed are nearly all.
    query = ids.add_columns(Shipment.state).where(Shipment.state.in_(OPEN)).order_by(Shipment.id).limit(PORTION)
    while portion := db.session.execute(query.where(Shipment.id > last)).all():
        for last, before in portion:
            parcel = service.report_anew(last)
            db.session.commit()
            if parcel is None:
                continue
            reported.append(last)
            if parcel.problem:
                problem = source_of(parcel.problem) or parcel.problem
                said = sentence("Parcel %(number)s: %(problem)s", number=parcel.tracking_number, problem=problem)
                # That it fails again is nothing new: it locks no task for ever.
                failed_now = parcel.state == MessageState.FAILED and before != MessageState.FAILED
                (errors if failed_now else warnings).append(said)
    return Outcome(len(reported), warnings, errors, [(Made.PARCEL, id) for id in reported])
