"""A database at another version than this Kontor's: who goes on, who does not, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from portal import up
from portal.errors import Refused
from portal.migration import BEHIND
from tests.ports import free_port


@pytest.fixture
def at_version(app, servers) -> Iterator[Callable[[str | None], None]]:
    """Let the database say it is at another version, or was never migrated (None)."""

    def say(version: str | None) -> None:
        with psycopg.connect(servers.database_owner) as connection:
            connection.execute("DELETE FROM alembic_version")
            if version is not None:
                connection.execute("INSERT INTO alembic_version VALUES (%s)", [version])

    with psycopg.connect(servers.database_owner) as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    yield say
    say(version)


def test_at_its_newest_version_all_is_well(app, servers):
    assert up.is_newest(servers.database_owner)
    answer = app.test_client().get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_flask_up_migrates_what_is_behind(servers, at_version):
    at_version(None)
    assert not up.is_newest(servers.database_owner)
    without_tables = servers.database_owner.removesuffix("/kontor") + "/postgres"
    assert not up.is_newest(without_tables)


def test_what_does_not_answer_is_left_to_the_migration_to_report():
    assert not up.is_newest(f"postgresql://nobody@127.0.0.1:{free_port()}/kontor")


@pytest.mark.parametrize("command", ["worker", "scheduler"])
def test_behind_nobody_works_and_says_what_to_do(app, at_version, command):
    at_version(None)
    answer = app.test_cli_runner().invoke(args=[command])
    assert answer.exit_code == 1 and BEHIND in answer.output


def test_behind_a_web_server_is_not_ready(app, at_version):
    at_version(None)
    answer = app.test_client().get("/health")
    assert (answer.status_code, answer.json) == (503, {"status": "failing", "database": BEHIND})


@pytest.mark.parametrize("command", ["worker", "scheduler"])
def test_ahead_nothing_is_begun(app, servers, at_version, command):
    at_version("9999")
    with pytest.raises(Refused, match=r"newer Kontor .* version 9999"):
        up.is_newest(servers.database_owner)
    answer = app.test_cli_runner().invoke(args=[command])
    assert answer.exit_code == 1 and "version 9999" in answer.output


def test_ahead_what_runs_stays_in_service_while_others_are_upgraded(app, at_version):
    at_version("9999")
    assert app.test_client().get("/health").status_code == 200
