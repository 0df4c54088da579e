"""What the tests share: real servers, the migrated app, tenants made on the spot."""

from __future__ import annotations

import gc
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
import sqlalchemy as sa
from alembic import command
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import text
from werkzeug.serving import make_server

from jobs.worker import GARBAGE_EVERY
from portal import create_app
from portal.config import sqlalchemy_url
from portal.embedded import Embedded, Urls
from portal.extensions import db
from portal.masterdata import service as masterdata
from portal.processes import settle
from portal.scope import tenant
from portal.servers import Postgres
from portal.tenants import passwords
from portal.tenants import service as tenants
from tests.patience import SECONDS
from tests.ports import free_port
from tests.sandbox.client import Sandbox

# Hundreds of tenants are made here; a guess at their passwords need not be costly, and few look at the EU's rates.
NOTHING, SEED_RATES = (lambda: None), masterdata.seed_rates
QUICK_HASHER, REAL_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), passwords.HASHER


# The workers of xdist and the many processes of the tests share what is compiled, whatever the shell says: else each
# of them compiles all modules and rewrites all assertions anew, which takes 8 s.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says more of the machine than of us.
settings.register_profile("kontor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kontor")

# What takes longest begins first, so that no processor is idle in the end.
LONGEST = ("tests/browser/", "tests/test_up.py", "tests/test_readme.py", "tests/cloud/api/", "tests/exactly_once/")
# Folders whose tests share what is costly to start: one worker does them all.
TOGETHER = ("tests/browser/", "tests/cloud/api/", "tests/exactly_once/", "tests/platforms/", "tests/sandbox/")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", help="Write a picture of every page here (tests/browser).")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((place for place, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A module's tests are one worker's, so that what they share is made once; so are those of some folders."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByWhatIsShared(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = (folder for folder in TOGETHER if nodeid.startswith(folder))
            return next(shared, super()._split_scope(nodeid))

    return ByWhatIsShared(config, log)


@pytest.fixture(scope="session")
def servers() -> Iterator[Urls]:
    """PostgreSQL and Valkey for the whole session."""
    # Not below pytest's own folder: that is closed to the user PostgreSQL runs as when we are root.
    with tempfile.TemporaryDirectory(prefix="kontor-") as folder:
        Path(folder).chmod(0o755)
        embedded = Embedded(Path(folder), durable=False)
        try:
            yield embedded.start()
        finally:
            embedded.stop()


@dataclass(frozen=True)
class Ports:
    portal: int
    amazon: int


@pytest.fixture(scope="session")
def ports() -> Ports:
    return Ports(free_port(), free_port())


@pytest.fixture(scope="session")
def environment(servers: Urls, ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of every process of this installation."""
    import base64

    return {
        "KONTOR_DATA": str(tmp_path_factory.mktemp("kontor")),
        "DATABASE_URL": servers.database,
        "DATABASE_OWNER_URL": servers.database_owner,
        "REDIS_URL": servers.redis,
        "KONTOR_URL": f"http://127.0.0.1:{ports.portal}",
        "KONTOR_PRIVATE_NETWORKS": "127.0.0.0/8",  # where the tests' servers are
        "KONTOR_SECRET_KEY": "for tests only",
        "KONTOR_KEYS": "1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "KONTOR_AMAZON_URL": f"http://127.0.0.1:{ports.amazon}",
        "KONTOR_AMAZON_APPLICATION_ID": "amzn1.sp.solution.kontor-demo",
        "KONTOR_AMAZON_CLIENT_ID": "amzn1.application-oa2-client.kontor",
        "KONTOR_AMAZON_CLIENT_SECRET": "kontor-demo-secret",
        "KONTOR_AMAZON_MIN_AGE": "0",
    }


@pytest.fixture(scope="session")
def app(environment: dict[str, str]) -> Iterator[Flask]:
    """The app on a migrated database, as the app's role. No app context is pushed."""
    os.environ.update(environment)
    passwords.HASHER = QUICK_HASHER
    masterdata.seed_rates = NOTHING
    app = create_app({"TESTING": True, "RATELIMIT_ENABLED": True, "WTF_CSRF_ENABLED": False})
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache()  # else each process compiles a hundred templates
    with app.app_context():
        flask_migrate.upgrade()
    settle(GARBAGE_EVERY)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="session")
def empty_database(app: Flask) -> Iterator[sa.Engine]:
    """A database of its own with tables and no rows, as its owner."""
    with tempfile.TemporaryDirectory(prefix="kontor-") as folder:
        Path(folder).chmod(0o755)
        with Embedded(Path(folder), durable=False, wanted=(Postgres,)) as urls:
            owner = sa.create_engine(sqlalchemy_url(urls.database_owner), poolclass=sa.NullPool)
            with app.app_context(), owner.begin() as connection:
                config = app.extensions["migrate"].migrate.get_config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            owner.kontor_url = sqlalchemy_url(urls.database)
            yield owner
            owner.dispose()


@pytest.fixture
def fresh(app: Flask, empty_database: sa.Engine) -> Iterator[Flask]:
    """An installation that nobody has set up."""
    with empty_database.begin() as connection:
        names = ", ".join(name for name in db.metadata.tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    installation = create_app(
        {"TESTING": True, "WTF_CSRF_ENABLED": False, "SQLALCHEMY_DATABASE_URI": empty_database.kontor_url}
    )
    yield installation
    with installation.app_context():
        db.engine.dispose()


@pytest.fixture(scope="session")
def live_server(app: Flask, ports: Ports) -> Iterator[str]:
    """The whole app on a real port; yields its address."""
    server = make_server("127.0.0.1", ports.portal, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{ports.portal}"
    server.shutdown()
    thread.join(SECONDS)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    """One sandbox marketplace for all tests of a process."""
    with Sandbox.run() as sandbox:
        yield sandbox


@pytest.fixture
def amazon(running_sandbox: Sandbox, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox marketplace with nothing in it, where the app looks for Amazon."""
    running_sandbox.reset(everything=True)
    monkeypatch.setitem(app.config, "AMAZON_URL", running_sandbox.url)
    return running_sandbox


@dataclass
class Merchant:
    """A tenant for a test, with one administrator, its cloud account and credential."""

    tenant_id: int
    user_id: int
    credential_id: int
    account_id: int
    client_id: str
    client_secret: str
    email: str
    password: str


MakeTenant = Callable[..., Merchant]


def merchant_of(
    app: Flask, name: str = "Beispiel GmbH", role: str = "admin", time_zone: str = "Europe/Berlin"
) -> Merchant:
    """Make a tenant with a number nobody else has."""
    number = secrets.token_hex(4)
    email, password = f"owner-{number}@example.com", "correct horse battery"
    with app.app_context():
        made = tenants.create_tenant(
            name=name,
            customer_number=number,
            time_zone=time_zone,
            user_name="Olga Owner",
            email=email,
            password=password,
            role=role,
        )
        account = db.session.scalar(text("SELECT cloud_find_account(:id)"), {"id": made.client_id})
        db.session.commit()
        return Merchant(
            made.tenant_id,
            made.user_id,
            made.credential_id,
            account,
            made.client_id,
            made.client_secret,
            email,
            password,
        )


@pytest.fixture(scope="session")
def make_tenant(app: Flask) -> MakeTenant:
    """Make a tenant with a name and number nobody else has."""
    return partial(merchant_of, app)


@pytest.fixture
def merchant(make_tenant: MakeTenant) -> Merchant:
    """A tenant of the test's own."""
    return make_tenant()


@pytest.fixture(scope="session")
def client_of(app: Flask) -> Callable[[Merchant], FlaskClient]:
    """A browser of a merchant's administrator, signed in; without CSRF tokens, which tests/test_http.py asks for."""

    def sign_in(merchant: Merchant) -> FlaskClient:
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"], cookie["id"] = f"{merchant.tenant_id}:{merchant.user_id}:0", "of the tests"
            cookie["_fresh"] = True
        return client

    return sign_in


@pytest.fixture(scope="session")
def as_tenant(app: Flask) -> Callable[[Merchant], Any]:
    """`with as_tenant(merchant):` an app context with the tenant's rows in sight."""
    from contextlib import contextmanager

    @contextmanager
    def enter(merchant: Merchant) -> Iterator[None]:
        with app.app_context(), tenant(merchant.tenant_id):
            yield

    return enter


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No cycles are looked for meanwhile: at the bottom of a recursion without end what they free could not be freed,
    and pytest would blame the test for it."""
    gc.disable()
    yield
    gc.enable()


SHARED = Path(__file__).resolve().parents[2] / "shared"
