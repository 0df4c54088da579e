"""The first run: an installation without tenants is set up once, by whoever comes first."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

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


def tenants(database: sa.Engine) -> int:
    with database.connect() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM tenant"))


def test_every_way_in_leads_to_the_first_run(fresh):
    browser = fresh.test_client()
    assert browser.get("/documents/").headers["Location"].startswith("/sign-in")
    assert browser.get("/sign-in").headers["Location"] == "/first-run"
    page = read(browser.get("/first-run").text)
    assert page.fields["time_zone"] == "Europe/Berlin"


def test_the_first_comer_is_operator_and_sees_the_clouds_secret_once(fresh, empty_database):
    browser = fresh.test_client()
    answer = browser.post("/first-run", data=FORM)
    assert answer.status_code == 200
    secret = read(answer.text).one("span", class_="secret").words
    assert len(secret) >= 32
    with empty_database.connect() as connection:
        role, name = connection.execute(sa.text("SELECT role, tenant.name FROM app_user, tenant")).one()
        assert (role, name) == ("operator", "Häkelstube Ümläut")
        kept = connection.execute(sa.text("SELECT * FROM credential, cloud_account")).mappings().one()
        assert secret not in repr(dict(kept))
    for page in ("/", "/settings/tenants/new", "/operations/", "/credentials/", "/credentials/1"):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert secret not in answer.text


def test_a_new_tenant_finds_what_it_needs(fresh, empty_database):
    fresh.test_client().post("/first-run", data=FORM)
    with empty_database.connect() as connection:
        counts = {
            table: connection.scalar(sa.text(f"SELECT count(*) FROM {table}"))
            for table in ("number_range", "address_status", "carrier", "credential", "cloud_account")
        }
    assert counts.pop("carrier") > 3
    assert counts == {"number_range": 3, "address_status": 1, "credential": 1, "cloud_account": 1}


def test_once_only(fresh, empty_database):
    fresh.test_client().post("/first-run", data=FORM)
    second = fresh.test_client()
    assert second.get("/first-run").status_code == 404
    assert second.post("/first-run", data=FORM | {"customer_number": "2", "email": "b@example.com"}).status_code == 404
    assert tenants(empty_database) == 1


def test_of_two_at_once_one_sets_up(fresh, empty_database):
    """Both have passed the first look and wait for the lock, which is held until then."""
    answers = {}

    def post(number):
        form = FORM | {"customer_number": f"1000{number}", "email": f"{number}@example.com"}
        answers[number] = fresh.test_client().post("/first-run", data=form)

    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with empty_database.connect() as holder, empty_database.connect() as watcher:
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
    assert tenants(empty_database) == 1


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
def test_what_is_not_accepted_is_said_at_the_field_and_the_rest_kept(fresh, empty_database, change, field):
    answer = fresh.test_client().post("/first-run", data=FORM | change)
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.error_of(field)
    for name in {"company", "customer_number", "user_name", "email"} - {field}:
        assert page.fields[name] == FORM[name]
    assert page.fields["password"] == page.fields["password_again"] == ""
    assert tenants(empty_database) == 0
