"""A merchant's platforms: real cloud, real sandbox marketplace."""

from __future__ import annotations

import pytest
import requests
from flask.testing import FlaskClient

from portal.credentials.cloud import Cloud
from portal.credentials.models import Credential
from portal.extensions import db
from portal.platforms.models import Platform
from tests.conftest import MakeTenant, Merchant
from tests.patience import SECONDS
from tests.reading import read


@pytest.fixture
def merchant(make_tenant: MakeTenant) -> Merchant:
    return make_tenant()


@pytest.fixture
def browser(client_of, merchant) -> FlaskClient:
    """The merchant's administrator, signed in."""
    return client_of(merchant)


@pytest.fixture
def seller(amazon):
    return amazon.add_seller("Häkelstube")


@pytest.fixture
def id(live_server, amazon, browser, merchant):
    """A platform that nothing has been done with."""
    form = {"number": "1", "name": "Amazon 1", "marketplaces": "DE", "active": "y"}
    answer = browser.post("/platforms/", data=form | {"credential": merchant.credential_id})
    return int(answer.headers["Location"].rpartition("/")[2])


@pytest.fixture
def outside():
    """The tab that CONNECT opens."""
    with requests.Session() as session:
        yield session


@pytest.fixture
def platform(as_tenant, merchant, id):
    """`platform()`: the row as it is now."""

    def look():
        with as_tenant(merchant):
            row = db.session.get_one(Platform, id)
            db.session.expunge_all()
            return row

    return look


@pytest.fixture
def cloud(as_tenant, merchant):
    """The merchant's account, for what happens behind the portal's back."""
    with as_tenant(merchant):
        yield Cloud.of(db.session.get_one(Credential, merchant.credential_id))


@pytest.fixture
def consent(browser, id, outside, amazon, seller):
    """CONNECT and agree; the address the marketplace sends the tab to."""

    def go(as_seller=None):
        answer = browser.post(f"/platforms/{id}/connection")
        assert answer.status_code == 302, answer.text
        sent_on = outside.get(answer.headers["Location"], allow_redirects=False, timeout=SECONDS)
        marketplace = sent_on.headers["Location"]
        assert marketplace.startswith(amazon.url)
        return amazon.consent(marketplace, as_seller or seller)

    return go


@pytest.fixture
def come_back(browser, outside, live_server, id):
    """Follow the callback to the platform's page, as the merchant sees it."""

    def follow(callback):
        home = outside.get(callback, allow_redirects=False, timeout=SECONDS).headers["Location"]
        assert home.startswith(f"{live_server}/platforms/{id}?connection=")
        return home.rpartition("=")[2], read(browser.get(home.removeprefix(live_server)).text)

    return follow
