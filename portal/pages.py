"""Which parts have pages, and at which addresses."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    from portal.cloud import api

    api.register(app)

    from portal import events
    from portal.credentials import views as credentials
    from portal.platforms import views as platforms
    from portal.tenants import views as tenants

    for part in (tenants, credentials, platforms, events):
        app.register_blueprint(part.bp)
