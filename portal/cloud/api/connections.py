"""A platform's connection to its marketplace."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from portal.cloud import consents
from portal.cloud.api import shapes
from portal.cloud.api.bodies import answer, nothing, read
from portal.cloud.api.describing import Operation
from portal.cloud.api.platforms import connection, found
from portal.cloud.api.problems import Problem
from portal.cloud.connectors import connector_for
from portal.cloud.outcomes import Outcome
from portal.cloud.times import utc
from portal.errors import Refused

bp = Blueprint("cloud_connections", __name__)

PATH = "/v1/platforms/<reference>/connection"
CODES = ", ".join(outcome for outcome in Outcome if outcome != Outcome.LOST_STATE)
OPERATIONS = (
    Operation("get", PATH, "readConnection", "The connection's state", {200: shapes.Connection}, problems=[404]),
    Operation(
        "post",
        PATH,
        "startConnection",
        "Begin to connect: an address for the seller's browser",
        {201: shapes.ConsentStart},
        takes=shapes.ConsentWish,
        problems=[404, 409],
        description=(
            "The browser opens the address, is sent to the marketplace, and comes back to return_url with"
            f" the query parameter connection, one of {CODES}. A browser that is not the one that opened the"
            " address is told so by the cloud and is not sent back."
            " 409 where the platform's marketplaces cannot be connected at once."
        ),
    ),
    Operation("delete", PATH, "endConnection", "Forget the marketplace's permission", {204: None}, problems=[404]),
)


@bp.get(PATH)
def show(reference: str) -> Response:
    return answer(connection(found(reference)))


@bp.post(PATH)
def create(reference: str) -> Response:
    platform = found(reference)
    wanted = read(shapes.ConsentWish)
    try:
        connector_for(platform)
    except Refused as refused:
        raise Problem(409, str(refused)) from refused
    link, expires_at = consents.start_consent(platform, wanted.return_url)
    url = f"{current_app.config['PUBLIC_URL']}/cloud/connect/{link}"
    return answer(shapes.ConsentStart(url, utc(expires_at)), 201)


@bp.delete(PATH)
def destroy(reference: str) -> Response:
    consents.disconnect(found(reference))
    return nothing()
