"""A desk of a merchant, and a clerk beside it who may only look."""

from __future__ import annotations

import pytest

from tests.desk import Desk


@pytest.fixture
def desk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(), client_of)


@pytest.fixture
def clerk(app, make_tenant, client_of):
    return Desk.of(app, make_tenant(role="clerk"), client_of)
