"""An installation of its own for a benchmark: servers, database, app, and the processes that `flask up` starts."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from portal import create_app
from portal.cloud import platforms as cloud_platforms
from portal.credentials.models import Credential
from portal.embedded import Embedded
from portal.extensions import db
from portal.platforms import service as platforms
from portal.platforms.models import Connection, Platform
from portal.processes import end, settle, spawn
from portal.scope import account, tenant
from portal.servers import SUPERUSER, Postgres
from portal.tenants.service import create_tenant
from portal.up import FLASK, SANDBOX_APPLICATION, stages
from tests.ports import free_port
from tests.sandbox.client import DE, Sandbox

PROJECT = Path(__file__).resolve().parents[2]
OURS = ("KONTOR_", "DATABASE_", "REDIS_", "FLASK_")
START_SECONDS = 30.0


def say(benchmark: str, **figures: Any) -> None:
    """Print figures as one line of JSON."""
    print(json.dumps({"benchmark": benchmark, **figures}), flush=True)


def size(name: str, full: int) -> int:
    """A size of a benchmark: `full`, or less by the environment (KONTOR_BENCH_...) to try it quickly."""
    return int(os.environ.get("KONTOR_BENCH_" + name, full))


@dataclass(frozen=True)
class Merchant:
    """A tenant with one user and one platform, here and in the cloud."""

    tenant_id: int
    user_id: int
    account_id: int
    platform_id: int
    cloud_platform_id: int


@dataclass(frozen=True)
class Installation:
    """Running servers with a migrated database, and an app on it in this process."""

    folder: Path
    app: Flask
    port: int
    environment: Mapping[str, str]
    superuser_url: str

    @classmethod
    @contextlib.contextmanager
    def run(cls, amazon_url: str = "") -> Iterator[Installation]:
        """Start the servers as a real installation has them (durable), and remove all at the end.

        Whatever the environment says about other servers counts for nothing meanwhile.
        """
        with tempfile.TemporaryDirectory(prefix="kontor-bench-") as made, contextlib.ExitStack() as stack:
            folder = Path(made)
            folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
            stack.enter_context(environment_kept())
            servers = Embedded(folder / "data")
            stack.callback(servers.stop)
            urls = servers.start()
            port = free_port()
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
                "FLASK_APP": "wsgi.py",
                "PYTHONUNBUFFERED": "1",
                "KONTOR_DATA": str(folder),
                "DATABASE_URL": urls.database,
                "DATABASE_OWNER_URL": urls.database_owner,
                "REDIS_URL": urls.redis,
                "KONTOR_URL": f"http://127.0.0.1:{port}",
                "KONTOR_SECRET_KEY": secrets.token_urlsafe(32),
                "KONTOR_KEYS": "1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "KONTOR_AMAZON_URL": amazon_url,
                "KONTOR_AMAZON_MIN_AGE": "0",
                **SANDBOX_APPLICATION,
            }
            os.environ.clear()
            os.environ.update(environment)
            app = create_app({"WTF_CSRF_ENABLED": False})
            with app.app_context():
                flask_migrate.upgrade()
            settle()
            stack.callback(_disconnect, app)
            postgres = next(server for server in servers.servers.values() if isinstance(server, Postgres))
            yield cls(folder, app, port, environment, postgres.url(SUPERUSER))

    def connect(self) -> psycopg.Connection[Any]:
        """The database past all row policies, for counting, filling and cleaning."""
        return psycopg.connect(self.superuser_url, autocommit=True)

    def make_merchant(self, name: str = "Beispiel GmbH") -> Merchant:
        """A tenant with a platform that the cloud knows; no marketplace has been asked."""
        number = secrets.token_hex(4)
        with self.app.app_context():
            made = create_tenant(name, number, "Europe/Berlin", "Olga Owner", f"{number}@example.com", None)
            account_id: int = db.session.scalar(text("SELECT cloud_find_account(:id)"), {"id": made.client_id})
            with account(account_id):
                cloud = cloud_platforms.create_platform("amazon", "Amazon", [DE], True)
                db.session.flush()
            with tenant(made.tenant_id):
                credential = db.session.get_one(Credential, made.credential_id)
                platform = platforms.create_platform(1, "Amazon", credential, [DE])
                platform.reference = cloud.reference
                db.session.flush()
            merchant = Merchant(made.tenant_id, made.user_id, account_id, platform.id, cloud.id)
            db.session.commit()
        return merchant

    def connect_merchant(self, merchant: Merchant, amazon: Sandbox, seller: str) -> None:
        """Let a seller give consent for the merchant's platform, as a browser does. Needs the web server."""
        with self.app.app_context(), tenant(merchant.tenant_id):
            platform: Platform = db.session.get_one(Platform, merchant.platform_id)
            url = platforms.connect(platform)
            db.session.commit()
        with requests.Session() as browser:
            there = browser.get(url, allow_redirects=False, timeout=10).headers["Location"]
            back = amazon.consent(there, seller)
            home = browser.get(str(back), allow_redirects=False, timeout=10)
        if not home.headers.get("Location", "").endswith("?connection=authenticated"):
            raise RuntimeError(f"The consent did not come back: {home.status_code} {home.text[:500]}")
        with self.app.app_context(), tenant(merchant.tenant_id):
            platform = db.session.get_one(Platform, merchant.platform_id)
            platforms.refresh(platform)
            db.session.commit()
            if platform.connection != Connection.AUTHENTICATED:
                raise RuntimeError("The platform is not connected.")

    def browser(self, merchant: Merchant) -> FlaskClient:
        """A browser in which the merchant's user is signed in."""
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"], cookie["id"] = f"{merchant.tenant_id}:{merchant.user_id}:0", "of the tests"
            cookie["_fresh"] = True
        return client

    @contextlib.contextmanager
    def web(self) -> Iterator[None]:
        """The web server as `flask up` runs it."""
        part = next(part for stage in stages(self.port, False, self.folder, "") for part in stage if part.name == "web")
        with self.process(part.name, part.command):
            wait_for(part.health)
            yield

    @contextlib.contextmanager
    def hands(self) -> Iterator[None]:
        """The workers and the scheduler as `flask up` runs them."""
        with contextlib.ExitStack() as stack:
            for part in stages(self.port, False, self.folder, "")[-1]:
                stack.enter_context(self.process(part.name, part.command))
            yield

    @contextlib.contextmanager
    def process(self, name: str, command: Sequence[str]) -> Iterator[None]:
        """A process of the installation, ended with the block. What it says goes to a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = spawn(command, folder=PROJECT, environment=self.environment, stdout=log)
        try:
            yield
        finally:
            end([process], seconds=10)

    def finish(self, name: str, command: Sequence[str]) -> str:
        """Run a process to its end; return what it printed. Raises RuntimeError with its last words if it failed."""
        path = self.folder / f"{name}.log"
        with path.open("ab") as log, tempfile.TemporaryFile() as printed:
            process = spawn(command, folder=PROJECT, environment=self.environment, stdout=printed, stderr=log)
            try:
                process.wait(600)
            finally:
                end([process])
            if process.returncode:
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{path.read_text()[-3000:]}")
            printed.seek(0)
            return printed.read().decode()


@contextlib.contextmanager
def environment_kept() -> Iterator[None]:
    """Whatever the block does to the environment is undone."""
    kept = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def wait_for(url: str) -> None:
    """Wait until something answers there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(url, timeout=5).ok:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer within {START_SECONDS:.0f} s.")


def _disconnect(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


__all__ = ["FLASK", "PROJECT", "Installation", "Merchant", "say", "size", "sys"]
