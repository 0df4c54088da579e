"""Browsers, each at an address of its own: refused attempts are counted by address."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient


@pytest.fixture
def open_browser(app: Flask) -> Callable[[], FlaskClient]:
    """A browser that nobody has signed in with yet."""

    def open_one() -> FlaskClient:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = ".".join(["10", *(str(secrets.randbelow(250) + 1) for _ in range(3))])
        return client

    return open_one


@pytest.fixture
def browser(open_browser: Callable[[], FlaskClient]) -> FlaskClient:
    return open_browser()
