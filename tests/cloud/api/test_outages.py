"""When PostgreSQL or Redis go away in the middle of a call: it is said, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session, SessionTransaction

from portal.scope import current_account_id
from tests.cloud.api.caller import NOON, ORDER, an_order, is_problem
from tests.patience import SECONDS

# Asks for a token in a process of its own, whose Redis is nowhere.
WITHOUT_REDIS = """
import sys
from portal import create_app
form = {"grant_type": "client_credentials", "client_id": sys.argv[1], "client_secret": sys.argv[2]}
print(create_app().test_client().post("/cloud/oauth/token", data=form).status_code)
"""


@pytest.fixture
def cut_off(environment) -> Iterator[None]:
    """The database ends each connection as soon as a transaction has begun on it."""

    def cut(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    event.listen(Session, "after_begin", cut)
    yield
    event.remove(Session, "after_begin", cut)


def calls(caller, reference: str):
    acknowledgement = {"orders": [{"id": ORDER, "version": NOON.isoformat()}]}
    yield caller.get("/v1/account")
    yield caller.get(f"/v1/platforms/{reference}/orders")
    yield caller.post(f"/v1/platforms/{reference}/acknowledgements", acknowledgement)
    yield caller.patch(f"/v1/platforms/{reference}", {"name": "Another"})


@pytest.fixture
def reference(caller) -> str:
    reference = caller.platform()
    caller.receive(reference, an_order())
    return reference


def test_a_lost_database_is_said(caller, reference, cut_off):
    for answer in calls(caller, reference):
        is_problem(answer, 503)
        with pytest.raises(LookupError):  # the thread sees no account any more
            current_account_id()


def test_once_it_is_back_all_is_as_it_was(caller, reference, environment):
    for _ in range(2):
        with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND usename = current_user"
            )
        assert [answer.status_code for answer in calls(caller, reference)] == [200, 200, 200, 200]


def test_tokens_are_given_without_redis(caller, environment):
    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT_REDIS, caller.client_id, caller.client_secret],
        env={**os.environ, **environment, "REDIS_URL": "redis://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert answer.stdout.strip() == "200", answer.stderr
