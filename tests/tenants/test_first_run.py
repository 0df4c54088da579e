"""The first run: an installation without tenants is set up once, by whoever comes first."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from flask import Flask

from portal import create_app
from portal.config import sqlalchemy_url
from portal.embedded import Embedded
from portal.extensions import db
from portal.servers import Postgres
from portal.tenants.service import FIRST_RUN_LOCK
from tests.patience import SECONDS, wait_until
from tests.reading import read

FORM = {
    "company": "Häkelstube Ümläut",
    "customer_number": "10001",
    "time_zone": "Europe/Berlin",
    "user_name": "Olga Owner",
    "email": "olga@example.com",
    "password": "correct horse battery",
    "password_again": "correct horse battery",
}


@pytest.fixture(scope="module")
def database(app: Flask) -> Iterator[sa.Engine]:
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
def fresh(app: Flask, database: sa.Engine) -> Iterator[Flask]:
    """An installation that nobody has set up."""
    with database.begin() as connection:
        names = ", ".join(name for name in db.metadata.tables)
        connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    installation = create_app(
        {"TESTING": True, "WTF_CSRF_ENABLED": False, "SQLALCHEMY_DATABASE_URI": database.kontor_url}
    )
    yield installation
    with installation.app_context():
        db.engine.dispose()


def tenants(database: sa.Engine) -> int:
    with database.connect() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM tenant"))


def test_every_way_in_leads_to_the_first_run(fresh):
    browser = fresh.test_client()
    assert browser.get("/documents/").headers["Location"].startswith("/sign-in")
    assert browser.get("/sign-in").headers["Location"] == "/first-run"
    page = read(browser.get("/first-run").text)
    assert page.fields["time_zone"] == "Europe/Berlin"


def test_the_first_comer_is_operator_and_sees_the_clouds_secret_once(fresh, database):
    browser = fresh.test_client()
    answer = browser.post("/first-run", data=FORM)
    assert answer.status_code == 200
    secret = read(answer.text).one("span", class_="secret").words
    assert len(secret) >= 32
    with database.connect() as connection:
        role, name = connection.execute(sa.text("SELECT role, tenant.name FROM app_user, tenant")).one()
        assert (role, name) == ("operator", "Häkelstube Ümläut")
        kept = connection.execute(sa.text("SELECT * FROM credential, cloud_account")).mappings().one()
        assert secret not in repr(dict(kept))
    for page in ("/", "/settings/tenants/new", "/operations/", "/credentials/", "/credentials/1"):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert secret not in answer.text


def test_a_new_tenant_finds_what_it_needs(fresh, database):
    fresh.test_client().post("/first-run", data=FORM)
    with database.connect() as connection:
        counts = {
            table: connection.scalar(sa.text(f"SELECT count(*) FROM {table}"))
            for table in ("number_range", "address_status", "carrier", "credential", "cloud_account")
        }
    assert counts.pop("carrier") > 3
    assert counts == {"number_range": 3, "address_status": 1, "credential": 1, "cloud_account": 1}


def test_once_only(fresh, database):
    fresh.test_client().post("/first-run", data=FORM)
    second = fresh.test_client()
    assert second.get("/first-run").status_code == 404
    assert second.post("/first-run", data=FORM | {"customer_number": "2", "email": "b@example.com"}).status_code == 404
    assert tenants(database) == 1


def test_of_two_at_once_one_sets_up(fresh, database):
    """Both have passed the first look and wait for the lock, which is held until then."""
    answers = {}

    def post(number):
        form = FORM | {"customer_number": f"1000{number}", "email": f"{number}@example.com"}
        answers[number] = fresh.test_client().post("/first-run", data=form)

    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with database.connect() as holder, database.connect() as watcher:
        holder.execute(sa.select(sa.func.pg_advisory_xact_lock(FIRST_RUN_LOCK)))
        threads = [threading.Thread(target=post, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: watcher.scalar(waiting) == 2)
        holder.rollback()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(answer.status_code for answer in answers.values()) == [200, 422]
    assert "Kontor is set up already. Sign in." in "".join(answer.text for answer in answers.values())
    assert tenants(database) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"company": ""}, "company"),
        ({"company": " \0 "}, "company"),
        ({"company": "x" * 121}, "company"),
        ({"customer_number": ""}, "customer_number"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"email": "olga"}, "email"),
        ({"email": "a@b c"}, "email"),
        ({"password": "kurz", "password_again": "kurz"}, "password"),
        ({"password_again": "another horse"}, "password_again"),
    ],
)
def test_what_is_not_accepted_is_said_at_the_field_and_the_rest_kept(fresh, database, change, field):
    answer = fresh.test_client().post("/first-run", data=FORM | change)
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.error_of(field)
    for name in {"company", "customer_number", "user_name", "email"} - {field}:
        assert page.fields[name] == FORM[name]
    assert page.fields["password"] == page.fields["password_again"] == ""
    assert tenants(database) == 0
