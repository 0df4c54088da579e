"""`flask up`: the whole installation on this machine, by one command."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType

import click
import psycopg
from flask import current_app
from flask.cli import with_appcontext
from redis import Redis
from redis.exceptions import RedisError

from portal import migration
from portal.demo import CUSTOMER_NUMBER
from portal.embedded import Embedded, Urls, keep, recall
from portal.errors import Refused, Unavailable
from portal.servers import Postgres, Server, Valkey
from portal.supervisor import Ending, Part, Stopped, Supervisor

HOME = Path(__file__).resolve().parents[1]
KEYS_FILE = "keys.json"
RUNNING_FILE = "running.json"  # in the data folder: what a command beside this one has to know
WORKERS = 2
DEMO_ORDERS_PER_MINUTE = 3
WORKER_SECONDS = 8.0  # for the job in hand; a job cut off is done again, so it need not be long
WEB_SECONDS = 3.0
PORT_SECONDS = WEB_SECONDS + 2

FLASK = (sys.executable, "-m", "flask")
MIGRATION = Part("migration", "brings the database to its newest version", (*FLASK, "db", "upgrade"))

# What the sandbox marketplace knows us as.
SANDBOX_APPLICATION = {
    "KONTOR_AMAZON_APPLICATION_ID": "amzn1.sp.solution.kontor-demo",
    "KONTOR_AMAZON_CLIENT_ID": "amzn1.application-oa2-client.kontor",
    "KONTOR_AMAZON_CLIENT_SECRET": "kontor-demo-secret",
}


@click.command()
@click.option("--demo", is_flag=True, help="With a tenant and a sandbox marketplace that places orders.")
@click.option("--orders", type=click.IntRange(min=0), help="With --demo: begin with a backlog of so many orders.")
@click.option("--port", type=click.IntRange(1, 65534), default=8000, show_default=True, help="Of the web server.")
@with_appcontext
def up(demo: bool, orders: int | None, port: int) -> None:
    """Start everything on this machine, and stop it on Ctrl-C.

    PostgreSQL and Redis are those of DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL; where they
    are not set, own ones run in the data folder (KONTOR_DATA).
    """
    if orders is not None and not demo:
        raise click.UsageError("--orders is for --demo.")
    say = Voice()
    data = Path(current_app.config["DATA_FOLDER"]).absolute()
    try:
        _up(data, os.environ, demo, orders, port, say)
    except (Refused, Unavailable) as failure:
        raise click.ClickException(str(failure)) from failure
    say("Kontor has stopped.")


def _up(data: Path, environment: Mapping[str, str], demo: bool, orders: int | None, port: int, say: Voice) -> None:
    began = time.monotonic()
    given = urls_given(environment)
    wanted: list[type[Server]] = [*([] if given.database else [Postgres]), *([] if given.redis else [Valkey])]
    embedded = Embedded(data, wanted=wanted)
    supervisor = Supervisor(HOME, environment, data / "log", say)
    with _signals_to(supervisor):
        try:
            embedded.open()
            # After a crash the web server of the last start may need a moment to let go of its port.
            patience = PORT_SECONDS if (data / "servers.json").exists() else 0.0
            for wanted_port in (port, port + 1) if demo else (port,):
                _check_port(wanted_port, patience)
            urls = _start_servers(embedded, given, supervisor)
            supervisor.environment = complete(environment, urls, keys(data, environment), data, port, demo)
            keep(data / RUNNING_FILE, traits(supervisor.environment))
            news = _start_parts(supervisor, data, demo, orders, port)
            seconds = time.monotonic() - began
            say(f"Kontor is ready: {supervisor.environment['KONTOR_URL']} (after {seconds:.1f} s; Ctrl-C stops it)")
            for line in news:
                say(line)
            supervisor.watch()
        except (Refused, Unavailable, Stopped):
            if not supervisor.asked_to_stop():  # else it is what the stop did to something that was starting
                raise
        finally:
            if supervisor.asked_to_stop():
                say("Stopping. Ctrl-C again hastens it.")
            supervisor.stop()
            embedded.stop()


def _start_servers(embedded: Embedded, given: Urls, supervisor: Supervisor) -> Urls:
    urls = embedded.start(supervisor.asked_to_stop)
    for server in embedded.servers.values():
        supervisor.say(f"{server.name:<12} keeps its data in {server.folder} and listens on 127.0.0.1:{server.port}")
        supervisor.keep(
            server.name,
            partial(embedded.revive, server.name, supervisor.asked_to_stop),
            partial(_ending, server),
        )
    for warning in look_at(given):
        supervisor.say(f"Warning: {warning}")
    return Urls(given.database or urls.database, given.database_owner or urls.database_owner, given.redis or urls.redis)


def _start_parts(supervisor: Supervisor, data: Path, demo: bool, orders: int | None, port: int) -> list[str]:
    """Start all, and return what the demo has to say."""
    news: list[str] = []
    if is_newest(supervisor.environment["DATABASE_OWNER_URL"]):
        supervisor.say(f"{MIGRATION.name:<12} the database is at its newest version")
    else:
        supervisor.run(MIGRATION)
        supervisor.say(f"{MIGRATION.name:<12} {MIGRATION.purpose}: done")
    for stage in stages(port, demo, data, supervisor.environment["KONTOR_URL"].rstrip("/")):
        supervisor.start(stage)
        if demo and any(part.name == "web" for part in stage):
            part = demo_part(orders)
            supervisor.say(f"{part.name:<12} {part.purpose}")
            news = supervisor.run(part)
    return news


def is_newest(url: str) -> bool:
    """True if the database needs no migration. Asked here, since a process that finds nothing to do takes seconds.

    Raises Refused where a newer Kontor has migrated it.
    """
    try:
        return migration.is_newest(migration.versions_at(url))
    except psycopg.Error:  # the migration says what it is
        return False


def _ending(server: Server) -> Ending | None:
    how = server.how_it_ended()
    return None if how is None else Ending(f"{how} {server.last_words()}", by_itself=False)


def demo_part(orders: int | None) -> Part:
    """The command that makes the demo's tenant; what it prints is for the person."""
    number = () if orders is None else ("--orders", str(orders))
    return Part("demo", "makes the demo's tenant and its orders", (*FLASK, "demo", *number))


def stages(port: int, demo: bool, data: Path, public_url: str) -> list[list[Part]]:
    """What runs, in the order it starts; it stops the other way round, so that a job in hand finds all it needs."""
    sandbox = Part(
        "sandbox",
        f"plays Amazon at http://127.0.0.1:{port + 1}",
        (
            *(sys.executable, "-m", "portal.sandbox", "--port", str(port + 1), "--data", str(data)),
            *("--orders-per-minute", str(DEMO_ORDERS_PER_MINUTE), "--min-age", "0"),
            *("--redirect-uri", f"{public_url}/cloud/callback/amazon"),
            *("--plan", "fast"),  # with the published one, an order would be looked for every few minutes
        ),
        health=f"http://127.0.0.1:{port + 1}/",
    )
    web = Part(
        "web",
        f"serves the pages and the cloud's API at http://127.0.0.1:{port}",
        (
            *(sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{port}"),
            *("-k", "gthread", "--workers", "2", "--threads", "8", "--preload"),
            *("--graceful-timeout", f"{WEB_SECONDS:.0f}", "--no-control-socket", "--log-level", "warning"),
        ),
        health=f"http://127.0.0.1:{port}/health",
        grace=WEB_SECONDS + 1,
    )
    workers = Part("workers", "do the jobs", (*FLASK, "workers", "--count", str(WORKERS)), grace=WORKER_SECONDS)
    scheduler = Part("scheduler", "queues what is due", (*FLASK, "scheduler"))
    return [[*([sandbox] if demo else []), web], [workers, scheduler]]


def complete(
    environment: Mapping[str, str], urls: Urls, keys: Mapping[str, str], data: Path, port: int, demo: bool
) -> dict[str, str]:
    """The environment of every process. What is set already stays as it is."""
    local = ",".join(filter(None, [environment.get("NO_PROXY") or environment.get("no_proxy"), "127.0.0.1,localhost"]))
    made = {
        **keys,
        "KONTOR_URL": f"http://127.0.0.1:{port}",
        "FLASK_APP": "wsgi.py",
        "PYTHONUNBUFFERED": "1",
    }
    if not environment.get("KONTOR_URL"):
        # Nobody but who sits at this machine can use it, so it may reach what else runs here.
        made["KONTOR_PRIVATE_NETWORKS"] = "127.0.0.0/8,::1"
    if demo:
        # Amazon shows a change only after two minutes; nobody wants to wait for that at a demo.
        made |= {"KONTOR_DEMO": CUSTOMER_NUMBER, "KONTOR_AMAZON_MIN_AGE": "0"}
        made |= {"KONTOR_AMAZON_URL": f"http://127.0.0.1:{port + 1}", **SANDBOX_APPLICATION}
    return {
        **made,
        **{name: value for name, value in environment.items() if value or name not in made},
        # Ours, whatever was set: the folder may have been a relative one, the URLs are merged.
        "KONTOR_DATA": str(data),
        "DATABASE_URL": urls.database,
        "DATABASE_OWNER_URL": urls.database_owner,
        "REDIS_URL": urls.redis,
        "NO_PROXY": local,
        "no_proxy": local,
    }


def urls_given(environment: Mapping[str, str]) -> Urls:
    """The servers somebody else runs for us. Raises Refused where half of a pair is missing."""
    database, owner = environment.get("DATABASE_URL", ""), environment.get("DATABASE_OWNER_URL", "")
    if owner and not database:
        raise Refused("DATABASE_OWNER_URL is set but DATABASE_URL is not: the app needs a role of its own.")
    return Urls(database, owner or database, environment.get("REDIS_URL", ""))


def keys(data: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The keys of sessions and of secrets at rest: made once, and kept in the data folder.

    Those that are set are left to whoever sets them, and not written down.
    """
    path = data / KEYS_FILE
    kept = recall(path)
    made = {
        "KONTOR_SECRET_KEY": secrets.token_urlsafe(32),
        "KONTOR_KEYS": "1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    missing = {name: value for name, value in made.items() if not environment.get(name) and name not in kept}
    if missing:
        keep(path, kept | missing)
    return kept | missing


def traits(environment: Mapping[str, str]) -> dict[str, str]:
    """Where the web server answers, and a fingerprint of the keys that secrets are sealed with."""
    fingerprint = hashlib.sha256(environment["KONTOR_KEYS"].encode()).hexdigest()
    return {"url": environment["KONTOR_URL"], "keys": fingerprint}


def look_at(given: Urls) -> Iterator[str]:
    """Ask the servers that somebody else runs; yield warnings. Raises Unavailable where one does not answer."""
    if given.database:
        try:
            with psycopg.connect(given.database.replace("+psycopg", "", 1), connect_timeout=5) as connection:
                row = connection.execute(
                    "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
                ).fetchone()
        except psycopg.Error as error:
            raise Unavailable(f"The database of DATABASE_URL does not answer: {str(error).strip()}") from error
        if row and row[0]:
            yield "the role of DATABASE_URL passes row policies by: one tenant could see another's rows."
        elif given.database == given.database_owner:
            yield (
                "DATABASE_OWNER_URL is not set, so the app's role owns the tables, and row policies do not hold for an "
                "owner: one tenant could see another's rows. Give the app a second role (see the README)."
            )
    if given.redis:
        try:
            Redis.from_url(given.redis, socket_connect_timeout=5, socket_timeout=5).ping()
        except (RedisError, ValueError) as error:
            raise Unavailable(f"The Redis of REDIS_URL does not answer: {error}") from error


class Voice:
    """Says whole lines, from any thread; falls silent when nobody reads them any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard = True

    def __call__(self, words: str) -> None:
        with self._lock:
            if self._heard:
                try:
                    click.echo(words)
                except BrokenPipeError:
                    self._heard = False
                    # Or Python complains of the pipe when it ends.
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_port(port: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                if not taken or time.monotonic() >= deadline:
                    reason = "is taken by another program" if taken else f"cannot be used: {error.strerror}"
                    raise Refused(f"Port {port} {reason}. Choose another with --port.") from error
        time.sleep(0.1)


@contextlib.contextmanager
def _signals_to(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C, a service manager's stop and a closed terminal all ask the supervisor to stop."""

    def ask(number: int, frame: FrameType | None) -> None:
        supervisor.ask_to_stop()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
