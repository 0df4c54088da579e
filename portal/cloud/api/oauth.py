"""The token endpoint."""

from __future__ import annotations

from flask import Blueprint, Response, request

from portal.cloud import tokens
from portal.cloud.api import shapes
from portal.cloud.api.describing import Operation
from portal.extensions import limiter, network_of_caller

bp = Blueprint("cloud_oauth", __name__)

# A client needs one token an hour. Secrets of 256 bits are not found by trying, so this keeps
# a client in a loop from costing the others anything.
PER_CLIENT = "60/minute"
PER_ADDRESS = "1200/minute"  # one portal may speak for hundreds of accounts

PATH = "/oauth/token"
OPERATIONS = (
    Operation(
        "post",
        PATH,
        "getToken",
        "A bearer token for client id and secret (OAuth 2.0, client credentials)",
        {200: shapes.AccessToken, 400: shapes.TokenRefusal, 401: shapes.TokenRefusal},
        problems=[413, 429, 503],
        description=(
            "Client id and secret come by HTTP Basic or in the body. A token lives an hour; withdrawn earlier,"
            f" it may be accepted for {tokens.TRUST_SECONDS} seconds more."
        ),
        open=True,
    ),
)


def client_and_address() -> str:
    """Whose attempts are counted together."""
    basic = request.authorization
    client_id = (basic.username if basic and basic.type == "basic" else None) or request.form.get("client_id", "")
    return f"{network_of_caller()} {client_id[:100]}"


@bp.post(PATH)
@limiter.limit(PER_ADDRESS)
@limiter.limit(PER_CLIENT, key_func=client_and_address)
def create() -> Response:
    response: Response = tokens.authorization_server().create_token_response()
    return response
