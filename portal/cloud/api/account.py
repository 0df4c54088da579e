"""The account that is calling."""

from __future__ import annotations

from flask import Blueprint, Response

from portal.cloud import accounts
from portal.cloud.api import shapes
from portal.cloud.api.bodies import answer
from portal.cloud.api.describing import Operation
from portal.scope import current_account_id

bp = Blueprint("cloud_account", __name__)

OPERATIONS = (Operation("get", "/v1/account", "readAccount", "The account of this token", {200: shapes.Account}),)


@bp.get("/v1/account")
def show() -> Response:
    account = accounts.own_account(current_account_id())
    return answer(shapes.Account(account.name, account.client_id))
