"""Which parts have pages, and at which addresses."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    from portal import dashboard, events, operations, presentation, search
    from portal.addresses import views as addresses
    from portal.automation import assistant, history_views, service_views, task_views
    from portal.automation import views as automation
    from portal.cloud import api
    from portal.credentials import views as credentials
    from portal.documents import views as documents
    from portal.held import views as held
    from portal.listings import views as listings
    from portal.masterdata import article_views as articles
    from portal.masterdata import views as masterdata
    from portal.notices import views as notices
    from portal.platforms import article_views as assignments
    from portal.platforms import creation_views as creation
    from portal.platforms import views as platforms
    from portal.setup import views as setup
    from portal.shipments import views as shipments
    from portal.tenants import views as tenants

    parts = (tenants, dashboard, documents, held, shipments, addresses, platforms, creation, masterdata, credentials)
    own = (automation, assistant, task_views, history_views, service_views)
    for part in (*parts, articles, assignments, *own, setup, notices, listings, search, events):
        app.register_blueprint(part.bp)
    api.register(app)
    operations.init_app(app)
    presentation.init_app(app)
