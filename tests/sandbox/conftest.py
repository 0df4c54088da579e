"""Each test begins with an empty market; no app is needed."""

from __future__ import annotations

import pytest

from tests.sandbox.client import Sandbox


@pytest.fixture
def amazon(running_sandbox: Sandbox) -> Sandbox:
    running_sandbox.reset()
    return running_sandbox
