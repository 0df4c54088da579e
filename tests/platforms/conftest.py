"""A merchant's platforms: real cloud, real sandbox marketplace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import MakeTenant, Merchant
from tests.sandbox.client import Sandbox


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox.run() as sandbox:
        yield sandbox


@pytest.fixture
def amazon(running_sandbox: Sandbox, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox marketplace with nothing in it, where the app looks for Amazon."""
    running_sandbox.reset(everything=True)
    monkeypatch.setitem(app.config, "AMAZON_URL", running_sandbox.url)
    return running_sandbox


@pytest.fixture
def merchant(make_tenant: MakeTenant) -> Merchant:
    return make_tenant()


@pytest.fixture
def browser(client_of, merchant) -> FlaskClient:
    """The merchant's administrator, signed in."""
    return client_of(merchant)
