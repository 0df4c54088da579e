"""Two tenants with a row in every table, and the database past its row policies."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from portal.config import sqlalchemy_url
from portal.embedded import Urls
from tests.conftest import MakeTenant
from tests.isolation.marked import Marked, clear, fill


@pytest.fixture(scope="session")
def owner(app: object, servers: Urls) -> Iterator[sa.Engine]:
    """The database as the owner of its tables, whom no row policy binds."""
    engine = sa.create_engine(sqlalchemy_url(servers.database_owner), poolclass=sa.NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def first(owner: sa.Engine, make_tenant: MakeTenant) -> Iterator[Marked]:
    """The neighbour, of whom nothing may be seen."""
    mark = "Nachbar" + secrets.token_hex(6)
    marked = fill(owner, make_tenant(mark), mark, f"7{secrets.randbelow(10**12):012}")
    yield marked
    clear(owner, marked)


@pytest.fixture(scope="module")
def second(owner: sa.Engine, make_tenant: MakeTenant) -> Iterator[Marked]:
    """The tenant that looks around."""
    mark = "Eigen" + secrets.token_hex(6)
    marked = fill(owner, make_tenant(mark), mark, f"8{secrets.randbelow(10**12):012}")
    yield marked
    clear(owner, marked)
