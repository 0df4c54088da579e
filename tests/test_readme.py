"""What the README tells a provider to do on servers, done as it stands there."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import requests
import yaml

from portal import create_app
from portal.embedded import Embedded
from portal.processes import end, spawn
from portal.servers import SUPERUSER, Postgres
from tests.benchmarks.installation import OURS, Installation, environment_kept
from tests.patience import SECONDS, wait_until
from tests.ports import free_port
from tests.sandbox.client import Sandbox

HOME = Path(__file__).resolve().parents[1]
README = (HOME / "README.md").read_text()


def block(beginning: str) -> str:
    """The indented block of the README that begins so."""
    found = re.search(rf"(?m)^    {re.escape(beginning)}.*\n(?:(?:    .*)?\n)*", README)
    assert found is not None, f"The README has no block that begins with {beginning}."
    return textwrap.dedent(found[0]).strip()


COMPOSE = yaml.safe_load(block("x-kontor:"))


@dataclass(frozen=True)
class Machines:
    """Servers as somebody else runs them: a database made by the README's statements, and a Redis."""

    folder: Path
    urls: dict[str, str]
    superuser_url: str


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with tempfile.TemporaryDirectory(prefix="kontor-readme-") as made:
        Path(made).chmod(0o755)  # PostgreSQL runs as another user when we are root
        embedded = Embedded(Path(made) / "servers", durable=False)
        try:
            redis = embedded.start().redis
            postgres = next(server for server in embedded.servers.values() if isinstance(server, Postgres))
            # The embedded server has roles and a database of these names already.
            statements = re.sub(r"\bkontor(?=_owner|_app|\b)", "provider", block("CREATE ROLE"))
            for database, part in zip(("postgres", "provider"), statements.split("\\c provider"), strict=True):
                with psycopg.connect(postgres.url(SUPERUSER, database), autocommit=True) as connection:
                    for statement in part.split(";")[:-1]:
                        connection.execute(statement.encode())
            role = f"postgresql://provider_%s:...@127.0.0.1:{postgres.port}/provider"
            yield Machines(
                Path(made),
                {"DATABASE_URL": role % "app", "DATABASE_OWNER_URL": role % "owner", "REDIS_URL": redis},
                postgres.url(SUPERUSER, "provider"),
            )
        finally:
            embedded.stop()


def environment_of(machines: Machines, **more: str) -> dict[str, str]:
    """What `kontor.env` would hold, and the path. There is no data folder, and none can be made."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith((*OURS, "FLASK_"))},
        **machines.urls,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KONTOR_DATA": "/dev/null/nothing",
        "KONTOR_SECRET_KEY": secrets.token_urlsafe(32),
        "KONTOR_KEYS": "1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        **more,
    }


@contextlib.contextmanager
def started(command: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as written:
        process = spawn(shlex.split(command), folder=HOME, environment=environment, stdout=written)
    try:
        yield
    finally:
        end([process], seconds=10)


def test_an_order_goes_its_way_through_processes_that_share_only_the_two_urls(machines):
    services, port = COMPOSE["services"], free_port()
    assert set(services) == {"postgres", "valkey", "migrate", "web", "worker", "scheduler"}
    with contextlib.ExitStack() as stack:
        amazon = stack.enter_context(Sandbox.run())
        url = f"http://127.0.0.1:{port}"
        environment = environment_of(machines, KONTOR_URL=url, KONTOR_AMAZON_MIN_AGE="0", **amazon.environment)
        migrated = subprocess.run(
            services["migrate"]["command"].split(), cwd=HOME, env=environment, capture_output=True, text=True
        )
        assert migrated.returncode == 0, migrated.stderr
        logs = [machines.folder / f"{name}.log" for name in ("web", "worker", "another", "scheduler")]
        commands = [services[name]["command"] for name in ("web", "worker", "worker", "scheduler")]
        commands[0] = commands[0].replace("0.0.0.0:8000", f"127.0.0.1:{port}")
        for command, log in zip(commands, logs, strict=True):
            stack.enter_context(started(command, environment, log))

        def said() -> str:
            return "\n".join(log.read_text() for log in logs)

        wait_until(lambda: is_healthy(url), said)
        stack.enter_context(environment_kept())
        os.environ.update(environment)
        installation = Installation(
            machines.folder, create_app({"WTF_CSRF_ENABLED": False}), port, environment, machines.superuser_url
        )
        merchant = installation.make_merchant()
        seller = amazon.add_seller()
        order_id = amazon.place_one(seller=seller)
        installation.connect_merchant(merchant, amazon, seller)
        with psycopg.connect(machines.superuser_url, autocommit=True) as connection:
            wait_until(
                lambda: connection.execute("SELECT 1 FROM document WHERE order_id = %s", (order_id,)).fetchone(), said
            )


def test_flask_up_uses_the_servers_it_is_given(machines):
    port, data, log = free_port(), machines.folder / "up", machines.folder / "up.log"
    environment = environment_of(machines, KONTOR_DATA=str(data))
    with started(f"flask up --port {port}", environment, log):
        wait_until(lambda: "Kontor is ready" in log.read_text(), log.read_text)
        assert is_healthy(f"http://127.0.0.1:{port}")
        assert requests.get(f"http://127.0.0.1:{port}/sign-in", timeout=SECONDS).status_code == 200
    wait_until(lambda: "Kontor has stopped." in log.read_text(), log.read_text)
    assert "Warning" not in log.read_text()
    assert not list(data.glob("postgres*")) and not list(data.glob("valkey*"))


def is_healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_understands_the_unit(tmp_path):
    unit = tmp_path / "kontor-workers@.service"
    unit.write_text(block("[Unit]").replace("/srv/kontor/.venv/bin", str(Path(sys.executable).parent)))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    ours = [line for line in checked.stderr.splitlines() if unit.name.removesuffix("@.service") in line]
    assert checked.returncode == 0 and ours == [], checked.stderr
