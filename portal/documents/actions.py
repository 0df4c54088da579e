"""What can be done with many documents at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from portal.automation.areas import Area, Outcome, Preset
from portal.documents.models import Document
from portal.platforms.actions import download_one
from portal.platforms.models import Platform
from portal.shipments.actions import report_again
from portal.shipments.models import Shipment


def upload_statuses(document: Document, arguments: Mapping[str, Any]) -> Outcome:
    """Report the document's parcels that wait, and once more those whose report failed."""
    return report_again(select(Shipment.id).where(Shipment.document_id == document.id))


def fetch_anew(document: Document, arguments: Mapping[str, Any]) -> Outcome:
    """Let the cloud ask the marketplace for the document's order; what changed comes with a fetch."""
    return download_one(document.platform, {"order_id": document.order_id})


DOCUMENTS = Area(
    "documents",
    _l("Documents"),
    Document,
    Document.number,
    numeric=False,
    of_platform=lambda number: (
        Document.platform_id == select(Platform.id).where(Platform.number == number).scalar_subquery()
    ),
    called=lambda document: str(document.number),
    page="documents.show",
    list="documents.index",
    presets=(
        Preset(
            "upload_statuses",
            _l("Upload statuses"),
            _l("Reports the parcels that wait, and once more those whose report failed."),
            upload_statuses,
        ),
        Preset(
            "fetch_anew",
            _l("Fetch the order anew"),
            _l("Asks the marketplace for the order of each document; one call each."),
            fetch_anew,
        ),
    ),
)
