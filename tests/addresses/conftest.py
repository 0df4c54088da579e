"""A merchant with a platform, whose rows are in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portal.platforms.models import Platform
from tests.conftest import Merchant
from tests.shipments.builders import a_platform


@pytest.fixture
def platform(as_tenant: Callable[[Merchant], Any], merchant: Merchant) -> Iterator[Platform]:
    with as_tenant(merchant):
        yield a_platform(merchant)
