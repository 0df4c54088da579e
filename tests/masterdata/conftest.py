"""A desk of a merchant, and a clerk beside it who may only look."""

from __future__ import annotations

import pytest

from portal.masterdata import service
from tests.conftest import SEED_RATES
from tests.desk import Desk


@pytest.fixture(autouse=True)
def _with_the_eus_rates(app, monkeypatch):
    monkeypatch.setattr(service, "seed_rates", SEED_RATES)


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def clerk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(role="clerk"), client_of)
