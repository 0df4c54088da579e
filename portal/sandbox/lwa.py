"""Login with Amazon: the token endpoint. Its answers and errors are those of the real one."""

from __future__ import annotations

import hmac
import time
from typing import Any

import msgspec
from flask import Blueprint, Response, g, request

from portal.sandbox import times
from portal.sandbox.amazon import Amazon, playing
from portal.sandbox.breakage import Reset, Truncated, unavailable
from portal.sandbox.calls import Call
from portal.sandbox.faults import Fault

bp = Blueprint("lwa", __name__)

_GRANTLESS_SCOPES = ("sellingpartnerapi::notifications", "sellingpartnerapi::client_credential:rotation")
_REVOKED = (
    "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission."
)


class TokenError(Exception):
    """An error of OAuth 2.0."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


@bp.post("/auth/o2/token")
def token() -> Response:
    amazon, started = playing(), time.perf_counter()
    g.seller = None
    faults = amazon.faults.take("token")
    response = _answer(amazon, {fault.fault: fault for fault in faults})
    amazon.calls.add(
        Call(
            operation="token",
            status=0 if isinstance(response, Reset) else response.status_code,
            at=times.text(times.now()),
            request_id=g.request_id,
            milliseconds=round((time.perf_counter() - started) * 1000, 2),
            seller=g.seller,
            query={"grant_type": request.form.get("grant_type", "")},
            fault=", ".join(fault.fault for fault in faults) or None,
        )
    )
    return response


def _answer(amazon: Amazon, faults: dict[str, Fault]) -> Response:
    if "reset_before" in faults:
        return Reset()
    if "503" in faults:
        return unavailable()
    if "429" in faults:
        return _json(429, {"error": "too_many_requests", "error_description": "Request was throttled."})
    if "500" in faults:
        return _server_error()
    try:
        response = _json(200, _granted(amazon, request.form.to_dict()))
    except TokenError as error:
        response = _json(error.status, error.body)
    if "slow" in faults:
        time.sleep(faults["slow"].seconds)
    if "reset_after" in faults:
        return Reset()
    if "500_after" in faults:
        return _server_error()
    if "truncated" in faults:
        return Truncated(response.get_data(), response.status_code, mimetype="application/json")
    if "malformed" in faults:
        response.set_data(response.get_data()[:-1])
    return response


def _granted(amazon: Amazon, form: dict[str, str]) -> dict[str, Any]:
    grant_type = _required(form, "grant_type")
    _authenticate(amazon, form)
    grants, settings = amazon.grants, amazon.settings
    answer: dict[str, Any] = {"token_type": "bearer", "expires_in": int(settings.access_token_seconds)}
    if grant_type == "authorization_code":
        code = _required(form, "code")
        seller = grants.redeem_code(code, form.get("redirect_uri"), settings.code_seconds)
        if seller is None:
            raise TokenError(400, "invalid_grant", "The request has an invalid grant parameter : code")
        refresh_token = grants.issue_refresh_token(seller)
    elif grant_type == "refresh_token":
        refresh_token = _required(form, "refresh_token")
        seller = grants.seller_of_refresh_token(refresh_token)
        if seller is None:
            raise TokenError(400, "invalid_grant", _REVOKED)
    elif grant_type == "client_credentials":
        scope = _required(form, "scope")
        if scope not in _GRANTLESS_SCOPES:
            raise TokenError(400, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
        return answer | {"access_token": grants.issue_access_token(None, None, scope), "scope": scope}
    else:
        raise TokenError(400, "unsupported_grant_type", "The grant type is not supported by the authorization server.")
    g.seller = seller
    return answer | {"access_token": grants.issue_access_token(seller, refresh_token), "refresh_token": refresh_token}


def _authenticate(amazon: Amazon, form: dict[str, str]) -> None:
    """Credentials come in the body or by Basic authentication."""
    basic = request.authorization
    client_id = form.get("client_id") or (basic and basic.username) or ""
    secret = form.get("client_secret") or (basic and basic.password) or ""
    matches = [hmac.compare_digest(secret.encode(), one.encode()) for one in amazon.settings.client_secrets]
    if client_id != amazon.settings.client_id or not any(matches):
        raise TokenError(401, "invalid_client", "Client authentication failed")


def _required(form: dict[str, str], name: str) -> str:
    if not form.get(name):
        raise TokenError(400, "invalid_request", f"The request is missing a required parameter : {name}")
    return form[name]


def _server_error() -> Response:
    return _json(500, {"error": "server_error", "error_description": "The server encountered an unexpected condition."})


def _json(status: int, body: dict[str, Any]) -> Response:
    response = Response(msgspec.json.encode(body), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
