"""What can be done with many platforms at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from portal.automation import runs
from portal.automation.areas import Area, Outcome, Preset
from portal.automation.models import IN_FLIGHT, Made, Run, RunState
from portal.credentials.cloud import Cloud
from portal.documents import asking, fetch
from portal.documents.asking import Whereabouts
from portal.documents.models import Document, HeldOrder
from portal.errors import Refused
from portal.extensions import db
from portal.held import service as held
from portal.held.listing import Wanted, these
from portal.platforms import service
from portal.platforms.models import Platform
from portal.sentences import sentence
from portal.shipments.actions import report_again
from portal.shipments.models import Shipment

# How often a fetch that another worker does is looked at.
LOOK_SECONDS = 0.5
# Held orders are tried in portions, each a transaction.
PORTION = 100


def download(platform: Platform, arguments: Mapping[str, Any]) -> Outcome:
    """Fetch what waits in the cloud, and see the fetch to its end, whoever does it."""
    _check(platform)
    run = runs.start_fetch(platform, "action")
    db.session.commit()
    fetch.carry_out(run.id)
    db.session.refresh(run)
    while run.state in IN_FLIGHT:
        time.sleep(LOOK_SECONDS)
        db.session.rollback()
        fetch.carry_out(run.id)  # where its worker has died meanwhile
        db.session.refresh(run)
    return _of_fetch(run)


def download_one(platform: Platform, arguments: Mapping[str, Any]) -> Outcome:
    """Let the cloud ask the marketplace for one order, and fetch it if it came."""
    _check(platform)
    order_id = str(arguments["order_id"])
    answer, waiting = asking.ask_marketplace(order_id, [platform])
    db.session.commit()
    if waiting:
        return download(platform, arguments)
    if answer.where in (Whereabouts.DOCUMENT, Whereabouts.HELD, Whereabouts.DELIVERED):
        return Outcome(1)
    if answer.where == Whereabouts.UNANSWERED:
        return Outcome(warnings=[answer.why or sentence("The marketplace did not answer.")])
    return Outcome(warnings=[sentence("The platform has no order %(order)s that could be fetched.", order=order_id)])


def reconcile(platform: Platform, arguments: Mapping[str, Any]) -> Outcome:
    """Have the cloud look once more at all that changed in the last days: what is missing here comes by itself."""
    _check(platform)
    Cloud.of(platform.credential).collect(_reference(platform), int(arguments["days"]))
    return Outcome(1)


def upload_statuses(platform: Platform, arguments: Mapping[str, Any]) -> Outcome:
    """Report the platform's parcels that wait, and once more those whose report failed."""
    of_platform = select(Shipment.id).join(Document, Document.id == Shipment.document_id)
    return report_again(of_platform.where(Document.platform_id == platform.id))


def refresh(platform: Platform, arguments: Mapping[str, Any]) -> Outcome:
    """Ask the cloud for the state of the connection."""
    service.refresh(platform)
    return Outcome(1)


def retry_held(platform: Platform, arguments: Mapping[str, Any]) -> Outcome:
    """Try the platform's held orders again: all, or those of one `cause`, `about` one thing, which a person mended."""
    wanted = Wanted(cause=arguments.get("cause"), about=arguments.get("about"))
    made: list[tuple[Made, int]] = []
    still, last = 0, 0
    query = these(select(HeldOrder.id).where(HeldOrder.platform_id == platform.id), wanted)
    query = query.order_by(HeldOrder.id).limit(PORTION)
    while ids := db.session.scalars(query.where(HeldOrder.id > last)).all():
        outcome = held.retry_these(ids)
        made += ((Made.DOCUMENT, document) for document in outcome.documents)
        still += outcome.held
        db.session.commit()
        last = ids[-1]
    if still and wanted.cause is not None:  # who mended a cause wants to know; else it is nothing new
        return Outcome(len(made), warnings=[sentence("%(held)s of the orders are held still.", held=still)], made=made)
    return Outcome(len(made), made=made)


def _check(platform: Platform) -> None:
    if not platform.active:
        raise Refused(sentence("The platform is switched off."))


def _reference(platform: Platform) -> str:
    if platform.reference is None:
        raise Refused(sentence("The platform is not known to the cloud yet. Connect it first."))
    return str(platform.reference)


def _of_fetch(run: Run) -> Outcome:
    made = ((Made.FETCH, run.id),)
    if run.state == RunState.FAILED:
        return Outcome(run.orders, errors=[run.problem or ""], made=made)
    if run.held:
        held = sentence("%(held)s of the orders fetched are held.", held=run.held)
        return Outcome(run.orders, warnings=[held], made=made)
    return Outcome(run.orders, made=made)


PLATFORMS = Area(
    "platforms",
    _l("Platforms"),
    Platform,
    Platform.number,
    numeric=True,
    of_platform=lambda number: Platform.number == number,
    called=lambda platform: str(platform.name),
    page="platforms.show",
    list="platforms.index",
    presets=(
        Preset(
            "download",
            _l("Download documents from the platform"),
            _l("Fetches the orders that wait in the cloud."),
            download,
        ),
        Preset(
            "upload_statuses",
            _l("Upload statuses"),
            _l("Reports the parcels that wait, and once more those whose report failed."),
            upload_statuses,
        ),
        Preset("refresh", _l("Refresh the connection"), _l("Asks the cloud how the connection stands."), refresh),
        Preset(
            "retry_held",
            _l("Try held orders again"),
            _l("For when what held them is put right."),
            retry_held,
        ),
        Preset(
            "download_one",
            _l("Fetch one order by its number"),
            _l("Asks the marketplace for it, whatever its age."),
            download_one,
            needs="order_id",
        ),
        Preset(
            "reconcile",
            _l("Reconcile the last days"),
            _l("The cloud looks once more at all that changed there. What is missing here comes by itself."),
            reconcile,
            needs="days",
        ),
    ),
)
