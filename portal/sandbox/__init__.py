"""The marketplace that plays Amazon, for the demo and the tests. Nothing of Kontor imports it."""

from __future__ import annotations

import secrets
import uuid
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from portal.sandbox import api, consent, control, lwa, pages
from portal.sandbox.amazon import Amazon
from portal.sandbox.placer import Placer
from portal.sandbox.plans import PUBLISHED, Plans
from portal.sandbox.refusals import Refusal
from portal.sandbox.server import serve
from portal.sandbox.settings import Settings

__all__ = ["create_sandbox", "serve"]

_HERE = Path(__file__).parent
# A page of 10,000-line orders fits; a runaway does not.
_LARGEST_BODY = 64 * 1024 * 1024


def create_sandbox(
    store: Path | None,
    *,
    plans: Plans = PUBLISHED,
    public_url: str = "http://127.0.0.1:8001",
    seed: int = 1,
    **settings: Any,
) -> Flask:
    """The sandbox as an app of its own. `store` is its SQLite file, None for memory; `settings` as in Settings."""
    app = Flask(__name__, template_folder=str(_HERE.parent / "templates"), static_folder=str(_HERE / "static"))
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),  # for notices on the page only
        # Cookies do not tell ports apart, and Kontor runs on the same host.
        SESSION_COOKIE_NAME="amazon_sandbox",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=_LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=_LARGEST_BODY,
    )
    amazon = Amazon(store, Settings(plans=dict(plans), **settings), public_url, seed)
    app.extensions["amazon"] = amazon
    app.extensions["placer"] = Placer(amazon, seed)
    for part in (api, consent, control, lwa, pages):
        app.register_blueprint(part.bp)
    app.before_request(_name_the_request)
    app.after_request(_sign)
    app.register_error_handler(HTTPException, _refuse)
    return app


def _name_the_request() -> None:
    g.request_id = str(uuid.uuid4())


def _sign(response: Response) -> Response:
    response.headers["x-amzn-RequestId"] = g.request_id
    if response.mimetype == "text/html":
        # No form-action: browsers would hold it against the redirect that ends the consent.
        response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _refuse(error: HTTPException) -> Response | HTTPException:
    """Paths that Amazon does not have are refused in Amazon's shape."""
    if request.path.startswith(("/orders/", "/sellers/", "/auth/")):
        return api.refused(Refusal(error.code or 500, error.name.replace(" ", ""), error.description or error.name))
    return error
