"""A cloud account with a connected platform, and a server that plays Amazon by a script."""

from __future__ import annotations

import multiprocessing
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from flask import Flask

from portal.cloud import accounts
from portal.cloud.connectors.amazon import Amazon
from portal.cloud.connectors.amazon.plans import DEFAULTS
from portal.cloud.models import Account, CloudPlatform, ConnectionState, InboxOrder
from portal.extensions import db, redis
from portal.locks import Lock, alone
from portal.scope import account
from portal.secrets import seal
from tests.cloud.scripted import ScriptedAmazon, served
from tests.patience import wait_until


@pytest.fixture
def scripted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAmazon]:
    amazon = ScriptedAmazon()
    with served(amazon) as url:
        amazon.url = url
        monkeypatch.setitem(app.config, "AMAZON_URL", url)
        yield amazon


@dataclass
class Seller:
    """A platform of an account, connected to a seller that no other test has."""

    account_id: int
    platform_id: int
    seller_id: str

    @property
    def platform(self) -> CloudPlatform:
        return db.session.get_one(CloudPlatform, self.platform_id, populate_existing=True)

    @property
    def connector(self) -> Amazon:
        return Amazon.of(self.platform)

    def inbox(self) -> dict[str, InboxOrder]:
        rows = db.session.scalars(
            db.select(InboxOrder)
            .where(InboxOrder.platform_id == self.platform_id)
            .execution_options(populate_existing=True)
        )
        return {row.order_id: row for row in rows}

    def fill_plan(self, operation: str, calls: float) -> None:
        key = self.connector.plans._key(operation)
        redis().hset(key, mapping={"calls": str(calls), "at": str(redis().time()[0])})

    def allow(self, rate: float) -> None:
        """As if Amazon had named this limit, so that a test need not wait."""
        for operation in DEFAULTS:
            self.connector.plans.take_up(operation, str(rate))


MakeSeller = Callable[..., Seller]


def until_free(kind: Lock, id: int) -> None:
    """Wait until PostgreSQL has noticed that who held the lock is dead: at once, but for a machine that is busy."""

    def is_free() -> bool:
        with alone(kind, id) as sole:
            return bool(sole)

    wait_until(is_free, "A dead process holds its lock.")


forks = multiprocessing.get_context("fork")


def in_another_process(app: Flask, task: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Do the task in a process of its own, as a worker does each job."""

    def do() -> None:
        with app.app_context():
            db.engine.dispose(close=False)  # its connections are its parent's
            task(*arguments)

    process = forks.Process(target=do)
    process.start()
    return process


@pytest.fixture
def make_seller(app: Flask, scripted: ScriptedAmazon) -> Iterator[MakeSeller]:
    """Make connected platforms. The last made account's rows stay in sight until the test ends."""
    scopes: list[Any] = []
    with app.app_context():

        def make(webhook: bool = False, **values: Any) -> Seller:
            number = secrets.token_hex(4)
            made, _client_id, _secret = accounts.create_account(f"Account {number}")
            account_id = made.id
            scope = account(account_id)
            scope.__enter__()
            scopes.append(scope)
            if webhook:
                row = db.session.get_one(Account, account_id)
                row.webhook_url = scripted.url + "/events"
                row.webhook_secret = seal("a webhook's secret", row.webhook_place)
            platform = CloudPlatform(
                account_id=account_id,
                reference=number,
                kind="amazon",
                name=f"Amazon {number}",
                name_key=f"amazon {number}",
                marketplaces=["A1PA6795UKMFR9", "A1F83G8C2ARO7P"],
                connection=ConnectionState.AUTHENTICATED,
                seller_id=f"A{number}",
                authorized_at=datetime.now(UTC),
                next_collect_at=datetime.now(UTC),
            )
            for name, value in values.items():
                setattr(platform, name, value)
            db.session.add(platform)
            db.session.flush()
            platform.refresh_token = seal(f"Atzr|{number}", platform.token_place)
            db.session.commit()
            return Seller(account_id, platform.id, f"A{number}")

        try:
            yield make
        finally:
            db.session.rollback()
            for scope in reversed(scopes):
                scope.__exit__(None, None, None)
            db.session.remove()


@pytest.fixture
def seller(make_seller: MakeSeller) -> Seller:
    return make_seller()
