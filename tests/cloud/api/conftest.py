"""Accounts that call the API, and the sandbox marketplace behind it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.cloud.api.caller import Caller, new_caller


@pytest.fixture
def make_caller(app: Flask) -> Callable[..., Caller]:
    """Make an account that nobody else has."""

    def make(name: str = "Beispiel GmbH") -> Caller:
        return new_caller(app, name)

    return make


@pytest.fixture
def caller(make_caller: Callable[..., Caller]) -> Caller:
    return make_caller()


@pytest.fixture
def stranger(make_caller: Callable[..., Caller]) -> Caller:
    """Another account, which must neither see nor change anything of the caller's."""
    return make_caller("Fremde GmbH")
