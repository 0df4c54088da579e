"""A whole installation: servers, the app on a port, the sandbox, and shops that sell there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from jobs.queues import WORK, clear
from portal.config import sqlalchemy_url
from portal.embedded import Urls
from tests.conftest import MakeTenant, Ports
from tests.exactly_once import children
from tests.exactly_once.shop import DUE, Shop, open_shop
from tests.sandbox.client import Sandbox

RUNS = ("run", "action_run", "task_run")


@pytest.fixture(scope="session")
def owner(app: Flask, servers: Urls) -> Iterator[Engine]:
    """The database as its owner, past the row policies."""
    engine = create_engine(sqlalchemy_url(servers.database_owner), poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def market(ports: Ports) -> Iterator[Sandbox]:
    with Sandbox.run(port=ports.amazon) as sandbox:
        yield sandbox


def hush(app: Flask, owner: Engine) -> None:
    """Nothing of other tests is due or queued: the scheduler and the workers look at all tenants."""
    with owner.begin() as connection:
        for table, columns in DUE.items():
            if table not in RUNS:
                connection.execute(text(f"UPDATE {table} SET {columns[0]} = NULL WHERE {columns[0]} IS NOT NULL"))
        for table in RUNS:
            connection.execute(text(f"UPDATE {table} SET state = 'failed' WHERE state IN ('queued', 'running')"))
    with app.app_context():
        clear(WORK)


@pytest.fixture
def quiet(app: Flask, owner: Engine, market: Sandbox, live_server: str) -> Iterator[None]:
    """Only what the test does is done."""
    hush(app, owner)
    children.get_ready()
    yield
    children.end_all(app)


@pytest.fixture
def make_shop(app: Flask, owner: Engine, market: Sandbox, quiet: None, make_tenant: MakeTenant) -> Callable[[], Shop]:
    """Open shops: a tenant with a platform that is connected to a seller of its own."""

    def make() -> Shop:
        return open_shop(app, owner, market, make_tenant())

    return make


@pytest.fixture
def shop(make_shop: Callable[[], Shop]) -> Shop:
    return make_shop()
