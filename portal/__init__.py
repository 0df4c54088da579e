"""Kontor: marketplace orders become sales documents exactly once; tracking numbers go back in time."""

from __future__ import annotations

from typing import Any

from flask import Flask

from portal import http, logs, migration
from portal.config import settings
from portal.extensions import RedisConnection, babel, csrf, db, htmx, limiter, login, migrate


def create_app(overrides: dict[str, Any] | None = None) -> Flask:
    """The portal and the cloud as one WSGI app: the one place where the parts are put together."""
    app = Flask(__name__)
    app.config.update(settings())
    app.config.update(overrides or {})
    app.config.setdefault("RATELIMIT_STORAGE_URI", app.config["REDIS_URL"])

    logs.configure()
    db.init_app(app)
    RedisConnection().init_app(app)
    migrate.init_app(app, db, directory=str(migration.FOLDER))
    csrf.init_app(app)
    limiter.init_app(app)
    htmx.init_app(app)
    http.init_app(app)

    from portal import cli, pages
    from portal.tenants import session

    babel.init_app(app, locale_selector=session.locale, timezone_selector=session.time_zone)
    session.init_app(app, login)
    pages.register(app)
    cli.register(app)
    return app
