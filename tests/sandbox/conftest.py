"""One sandbox process for all tests here; each begins with an empty market."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.client import Sandbox


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox.run() as sandbox:
        yield sandbox


@pytest.fixture
def amazon(running: Sandbox) -> Sandbox:
    running.reset()
    return running
