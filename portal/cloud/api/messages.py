"""Status messages to the marketplace: handed over once under a key, and followed."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, request

from portal.cloud import outbox
from portal.cloud.api import shapes
from portal.cloud.api.bodies import answer, read, told
from portal.cloud.api.describing import Operation, header
from portal.cloud.api.platforms import found
from portal.cloud.api.problems import Problem
from portal.cloud.connectors import Shipment
from portal.cloud.models import StatusMessage
from portal.cloud.times import utc
from portal.errors import Refused
from portal.sentences import source_of

bp = Blueprint("cloud_messages", __name__)

ALL = "/v1/platforms/<reference>/status-messages"
ONE = "/v1/status-messages/<key>"
RETRY = "/v1/status-messages/<key>/retry"
OPERATIONS = (
    Operation(
        "post",
        ALL,
        "submitStatusMessage",
        "Tell the marketplace that a package left",
        {200: shapes.StatusMessage, 201: shapes.StatusMessage},
        takes=shapes.NewStatusMessage,
        problems=[404, 409],
        description="409 where the key has another body, or the order is unknown or takes no package.",
        parameters=[
            header(
                "Idempotency-Key",
                "Names the message within the account. The same key and body again answer 200 and send nothing;"
                " the same key with another body answers 409. A key is known for a month after the marketplace has"
                " confirmed the package.",
                {"type": "string", "minLength": 1, "maxLength": 100, "pattern": shapes.KEY},
            )
        ],
    ),
    Operation("get", ONE, "readStatusMessage", "How far a message is", {200: shapes.StatusMessage}, problems=[404]),
    Operation(
        "post",
        RETRY,
        "retryStatusMessage",
        "Send a failed message again, corrected if a body is given",
        {202: shapes.StatusMessage},
        takes=shapes.NewStatusMessage,
        body_required=False,
        problems=[404, 409],
        description=(
            "A message that has not failed stays as it is. A correction keeps order and package reference, else 409."
        ),
    ),
)


@bp.post(ALL)
def create(reference: str) -> Response:
    platform = found(reference)
    key = request.headers.get("Idempotency-Key", "")
    if not shapes.is_key(key):
        sentence = "Give a key of 1 to 100 letters, digits and . _ : ~ -, beginning with a letter or digit."
        raise Problem(422, f"Idempotency-Key: {sentence}", errors={"Idempotency-Key": sentence})
    wanted = read(shapes.NewStatusMessage)
    try:
        message, is_new = outbox.submit(platform, key, _shipment(wanted))
    except Refused as refused:  # another body under this key, or an order that no package is due for
        raise Problem(409, str(refused)) from refused
    return answer(_shape(message), 201 if is_new else 200)


@bp.get(ONE)
def show(key: str) -> Response:
    return answer(_shape(_found(key)))


@bp.post(RETRY)
def retry(key: str) -> Response:
    message = _found(key)
    correction = _shipment(read(shapes.NewStatusMessage)) if request.get_data() else None
    try:
        message = outbox.retry(message, correction)
    except Refused as refused:
        raise Problem(409, str(refused)) from refused
    return answer(_shape(message), 202)


def _found(key: str) -> StatusMessage:
    message = outbox.find(key) if shapes.is_key(key) else None
    if message is None:
        raise Problem(404, "The account has no status message with this key.")
    return message


def _shipment(wanted: shapes.NewStatusMessage) -> Shipment:
    return msgspec.convert(msgspec.to_builtins(wanted), Shipment)


def _shape(message: StatusMessage) -> shapes.StatusMessage:
    return shapes.StatusMessage(
        key=message.key,
        order_id=message.order_id,
        state=message.state,
        problem=told(message.problem),
        problem_source=source_of(message.problem),
        attempts=message.attempts,
        sent_at=utc(message.sent_at),
        confirmed_at=utc(message.confirmed_at),
    )
