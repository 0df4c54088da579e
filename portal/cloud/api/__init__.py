"""The cloud's HTTP API, under /cloud: JSON, bearer tokens, problem documents."""

from __future__ import annotations

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Flask

from portal.cloud import connect, tokens
from portal.cloud.api import account, connections, door, messages, oauth, openapi, orders, platforms, problems, webhook
from portal.extensions import csrf

# Those whose calls bear a token. None is called by a browser with a cookie, so none needs CSRF's.
PROTECTED = (account.bp, webhook.bp, platforms.bp, connections.bp, orders.bp, messages.bp)
OPEN = (oauth.bp, openapi.bp)


def register(app: Flask) -> None:
    """Add the API and the two pages of connecting to the app."""
    tokens.init_app(app)
    door.init_app(app)
    app.register_error_handler(problems.Problem, problems.explain)
    app.register_error_handler(OAuth2Error, problems.explain_token)
    for blueprint in (*PROTECTED, *OPEN):
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint, url_prefix="/cloud")
    app.register_blueprint(connect.bp)
    openapi.init_app(app, PROTECTED, OPEN)


def _protect(blueprint: Blueprint) -> None:
    blueprint.before_request(door.authenticate)


for _blueprint in PROTECTED:
    _protect(_blueprint)
