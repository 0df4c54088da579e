"""The account's address for events."""

from __future__ import annotations

from flask import Blueprint, Response

from portal import outgoing
from portal.cloud import accounts
from portal.cloud.api import shapes
from portal.cloud.api.bodies import answer, nothing, read
from portal.cloud.api.describing import Operation
from portal.cloud.api.problems import Problem
from portal.scope import current_account_id
from portal.secrets import seal

bp = Blueprint("cloud_webhook", __name__)

PATH = "/v1/webhook"
OPERATIONS = (
    Operation("get", PATH, "readWebhook", "Where events are sent", {200: shapes.Webhook}, problems=[404]),
    Operation(
        "put",
        PATH,
        "setWebhook",
        "Have events sent to an address",
        {204: None},
        takes=shapes.NewWebhook,
        description=(
            "Events are posted as JSON {id, kind, platform, key, at}, kind being orders.waiting,"
            " connection.changed or status_message.changed. The header Kontor-Signature is"
            " t=<unix time>,v1=<hex HMAC-SHA256 of the secret over time, a full stop and the body>."
            " They are repeated until a 2xx answer; whoever misses one finds the same by asking."
            " An address in a private network is not called, unless who runs the cloud allows it."
        ),
    ),
    Operation("delete", PATH, "removeWebhook", "Send events no longer", {204: None}),
)


@bp.get(PATH)
def show() -> Response:
    account = accounts.own_account(current_account_id())
    if not account.webhook_url:
        raise Problem(404, "No address is set.")
    return answer(shapes.Webhook(account.webhook_url))


@bp.put(PATH)
def update() -> Response:
    wanted = read(shapes.NewWebhook)
    try:
        outgoing.check(wanted.url)
    except outgoing.PrivateNetwork as private:
        raise Problem(422, f"url: {private}", errors={"url": str(private)}) from private
    account = accounts.own_account(current_account_id())
    account.webhook_url = wanted.url
    account.webhook_secret = seal(wanted.secret, account.webhook_place)
    return nothing()


@bp.delete(PATH)
def destroy() -> Response:
    account = accounts.own_account(current_account_id())
    account.webhook_url = account.webhook_secret = None
    return nothing()
