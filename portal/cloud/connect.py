"""The two pages that a seller's browser visits when a platform is connected; normally it sees neither."""

from __future__ import annotations

import re
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue

from portal.cloud import consents
from portal.cloud.api.door import enter
from portal.cloud.connectors import KINDS
from portal.cloud.consents import Ended
from portal.cloud.outcomes import WORDS, Outcome
from portal.errors import Refused

bp = Blueprint("cloud_connect", __name__, url_prefix="/cloud")

COOKIE = "kontor_connect"
# One nonce serves all consents that a browser has under way, in however many tabs.
COOKIE_SECONDS = 24 * 3600
NONCE = re.compile(r"[A-Za-z0-9_-]{43}")


@bp.get("/connect/<link>")
def show(link: str) -> ResponseReturnValue:
    """Bind the attempt to this browser and send it to the marketplace."""
    if request.method == "HEAD":  # a scanner's look must not use up the link
        return ""
    account_id = consents.find_account_id(link)
    if account_id is None:
        return _page(Outcome.LOST_STATE)
    enter(account_id)
    nonce = _nonce() or secrets.token_urlsafe(32)
    try:
        target = consents.open_link(link, nonce)
    except LookupError:
        return _page(Outcome.LOST_STATE)
    except Refused as refused:
        return _page(Outcome.REFUSED, str(refused), 409)
    if isinstance(target, Ended):
        return _back(target)
    answer = redirect(target)
    answer.set_cookie(
        COOKIE,
        nonce,
        max_age=COOKIE_SECONDS,
        path="/cloud/",
        httponly=True,
        secure=current_app.config["PUBLIC_URL"].startswith("https://"),
        samesite="Lax",  # the marketplace sends the browser back by a link, which Strict would withhold it from
    )
    return answer


@bp.get("/callback/<kind>")
def callback(kind: str) -> ResponseReturnValue:
    """The marketplace sends the browser back: exchange its code at once, and go on to the account's page."""
    secret = consents.bound(request.args.get("state", ""), _nonce())
    account_id = consents.find_account_id(secret) if kind in KINDS else None
    if account_id is None:
        return _page(Outcome.LOST_STATE)
    enter(account_id)
    try:
        return _back(consents.finish(secret, request.args.to_dict()))
    except LookupError:
        return _page(Outcome.LOST_STATE)


def _nonce() -> str:
    """The nonce of this browser, empty where it has none of ours."""
    nonce = request.cookies.get(COOKIE, "")
    return nonce if NONCE.fullmatch(nonce) else ""


def _back(ended: Ended) -> ResponseReturnValue:
    parts = urlsplit(ended.return_url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("connection", ended.outcome.value)]
    return redirect(urlunsplit(parts._replace(query=urlencode(query))), 303)


def _page(outcome: Outcome, happened: str = "", status: int = 400) -> ResponseReturnValue:
    """The words, where no return address can be trusted with them."""
    words = WORDS[outcome]
    page = render_template(
        "cloud/not_connected.html",
        happened=happened or words.happened,
        means=words.means,
        to_do=words.to_do,
        code=outcome.value,
    )
    return page, status
