"""Making and changing platforms: what is asked for, what is kept, what is said at which field."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from portal.credentials.cloud import Cloud
from portal.credentials.models import Credential
from portal.extensions import db
from portal.platforms.models import Platform
from tests.patience import SECONDS
from tests.reading import read


@pytest.fixture
def create(browser, merchant):
    def post(number="1", name="Amazon 1", marketplaces="DE", active="y", **fields):
        form = {"number": number, "name": name, "marketplaces": marketplaces, "active": active}
        form |= {"credential": str(merchant.credential_id), **fields}
        return browser.post("/platforms/", data={field: value for field, value in form.items() if value is not None})

    return post


@pytest.fixture
def kept(as_tenant, merchant):
    """The merchant's platforms, by number."""

    def look():
        with as_tenant(merchant):
            platforms = db.session.scalars(select(Platform).order_by(Platform.number)).all()
            db.session.expunge_all()
            return platforms

    return look


def id_of(answer):
    assert answer.status_code == 302, answer.text
    return int(answer.headers["Location"].rpartition("/")[2])


def test_the_form_suggests_a_name_and_the_next_number(browser, create, as_tenant, merchant):
    from portal.tenants.models import Tenant

    with as_tenant(merchant):
        number = db.session.scalar(select(Tenant.customer_number))
    page = read(browser.get("/platforms/new").text)
    assert page.fields["name"] == f"Amazon {number}"
    assert page.fields["number"] == "1"
    assert page.fields["credential"] == str(merchant.credential_id)
    assert page.fields["active"]
    create(number="41", name=f"amazon{number}")
    create(number="40", name=f"Amazon {number}-2")
    page = read(browser.get("/platforms/new").text)
    assert (page.fields["number"], page.fields["name"]) == ("42", f"Amazon {number}-3")


def test_a_platform_is_made(browser, create, kept):
    path = create(number="7", name="  Amazon  Europa ", marketplaces="de, uk ,pl").headers["Location"]
    (platform,) = kept()
    assert (platform.number, platform.name, platform.marketplaces) == (7, "Amazon  Europa", "DE;UK;PL")
    assert (platform.active, platform.reference, platform.connection) == (True, None, "not_authenticated")
    page = read(browser.get(path).text)
    assert page.grid["Marketplaces"] == "DE;UK;PL"
    assert page.grid["Platform reference"] == "given at the first CONNECT"
    assert [row[1] for row in read(browser.get("/platforms/").text).rows if row] != []


def test_switched_off(create, kept):
    create(active=None)
    assert kept()[0].active is False


@pytest.mark.parametrize("name", ["Amazon 1", "amazon 1", "AMAZON1", " A m a z o n 1 ", "Amazon\t1", "Ａｍａｚｏｎ １"])
def test_a_name_is_taken_whatever_its_case_spaces_and_width(create, kept, name):
    create()
    answer = create(number="2", name=name)
    assert answer.status_code == 422
    assert "There is already a platform called" in read(answer.text).error_of("name")
    assert len(kept()) == 1


def test_sharp_s_is_two_s(create, kept):
    create(name="Straße")
    assert create(number="2", name="STRASSE").status_code == 422


def test_a_number_is_taken_once(create, kept):
    create()
    answer = create(name="Another")
    assert "Another platform has the number 1." in read(answer.text).error_of("number")
    assert len(kept()) == 1


def test_another_tenant_may_have_the_same_name_and_number(create, make_tenant, client_of):
    create()
    other = make_tenant("Zweite GmbH")
    form = {"number": "1", "name": "Amazon 1", "marketplaces": "DE", "credential": str(other.credential_id)}
    assert client_of(other).post("/platforms/", data=form).status_code == 302


def test_of_two_tabs_one_makes_the_platform(client_of, merchant, kept):
    together, answers = threading.Barrier(4, timeout=SECONDS), []

    def save(number):
        browser = client_of(merchant)
        form = {"number": str(number), "name": "Amazon 1", "marketplaces": "DE"}
        together.wait()
        answers.append(browser.post("/platforms/", data=form | {"credential": merchant.credential_id}).status_code)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(answers) == [302, 422, 422, 422]
    assert len(kept()) == 1


WRONG = [
    ({"number": ""}, "number"),
    ({"number": "0"}, "number"),
    ({"number": "-1"}, "number"),
    ({"number": "1000000"}, "number"),
    ({"number": "1.5"}, "number"),
    ({"number": "one"}, "number"),
    ({"name": ""}, "name"),
    ({"name": "  "}, "name"),
    ({"name": "x" * 61}, "name"),
    ({"marketplaces": ""}, "marketplaces"),
    ({"marketplaces": "DE;XX"}, "marketplaces"),
    ({"marketplaces": "DE;US"}, "marketplaces"),
    ({"credential": ""}, "credential"),
    ({"credential": "0"}, "credential"),
    ({"credential": "99999999999999"}, "credential"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(create, kept, merchant, wrong, field):
    typed = {"number": "5", "name": "Mein Amazon", "marketplaces": "DE; uk"} | wrong
    answer = create(**typed)
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.error_of(field)
    for name in ("number", "name", "marketplaces"):
        assert page.fields[name] == typed[name].strip()
    assert "Nothing was saved yet." in page.words
    assert not kept()


def test_the_sentence_names_what_is_not_known(create):
    assert "“XX”" in read(create(marketplaces="DE;XX").text).error_of("marketplaces")
    sentence = read(create(marketplaces="DE;US;UK").text).error_of("marketplaces")
    assert "Make a platform for each: DE, UK | US." in sentence


def test_a_platform_is_changed(browser, create, kept, merchant):
    id = id_of(create())
    assert read(browser.get(f"/platforms/{id}/edit").text).fields["marketplaces"] == "DE"
    form = {"number": "3", "name": "AMAZON 1", "marketplaces": "FR", "credential": str(merchant.credential_id)}
    assert browser.post(f"/platforms/{id}/edit", data=form).status_code == 302
    (platform,) = kept()
    assert (platform.number, platform.name, platform.marketplaces, platform.active) == (3, "AMAZON 1", "FR", False)


@pytest.mark.parametrize(("change", "field"), [({"name": "amazon2"}, "name"), ({"number": "2"}, "number")])
def test_a_change_to_what_another_has_is_refused(browser, create, kept, merchant, change, field):
    id = id_of(create())
    create(number="2", name="Amazon 2")
    form = {"number": "1", "name": "Amazon 1", "marketplaces": "DE", "credential": str(merchant.credential_id)}
    answer = browser.post(f"/platforms/{id}/edit", data=form | change)
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.error_of(field)
    assert page.fields[field] == change[field]
    assert [(platform.number, platform.name) for platform in kept()] == [(1, "Amazon 1"), (2, "Amazon 2")]


@pytest.fixture
def registered(live_server, browser, create, as_tenant, merchant):
    """A platform that the cloud knows."""
    id = id_of(create())
    assert browser.post(f"/platforms/{id}/connection").status_code == 302
    with as_tenant(merchant):
        reference = db.session.get_one(Platform, id).reference
    return id, reference


@pytest.fixture
def in_cloud(as_tenant, merchant):
    """What the cloud has: its platforms, by name."""

    def look():
        with as_tenant(merchant):
            cloud = Cloud.of(db.session.get_one(Credential, merchant.credential_id))
            return {platform["name"]: platform for platform in cloud.platforms()}

    return look


def test_a_change_reaches_the_cloud(browser, registered, in_cloud, merchant):
    id, reference = registered
    form = {"number": "1", "name": "Umbenannt", "marketplaces": "DE FR", "credential": str(merchant.credential_id)}
    assert browser.post(f"/platforms/{id}/edit", data=form).status_code == 302
    (there,) = in_cloud().values()
    assert (there["name"], there["active"], there["reference"]) == ("Umbenannt", False, reference)
    assert there["marketplaces"] == ["A1PA6795UKMFR9", "A13V1IB3VIYZZH"]


def test_a_name_that_the_cloud_has_already_is_refused_here_too(browser, registered, as_tenant, kept, merchant):
    id, _ = registered
    with as_tenant(merchant):
        cloud = Cloud.of(db.session.get_one(Credential, merchant.credential_id))
        cloud.create_platform("amazon", "Von anderswo", ["A1PA6795UKMFR9"], True)
    form = {"number": "9", "name": "von anderswo", "marketplaces": "DE", "credential": str(merchant.credential_id)}
    answer = browser.post(f"/platforms/{id}/edit", data=form)
    assert answer.status_code == 422
    assert "The cloud account has another platform" in read(answer.text).error_of("name")
    assert [(platform.number, platform.name) for platform in kept()] == [(1, "Amazon 1")]


def test_a_cloud_that_does_not_answer_leaves_all_as_it_was(browser, registered, as_tenant, kept, merchant):
    id, _ = registered
    with as_tenant(merchant):
        db.session.get_one(Credential, merchant.credential_id).address = "http://127.0.0.1:9/cloud"
        db.session.commit()
    form = {"number": "9", "name": "Neu", "marketplaces": "DE", "credential": str(merchant.credential_id)}
    answer = browser.post(f"/platforms/{id}/edit", data=form)
    assert answer.status_code == 503
    assert "Nothing answers at 127.0.0.1" in read(answer.text).words
    assert [(platform.number, platform.name) for platform in kept()] == [(1, "Amazon 1")]


def test_a_registered_platform_keeps_its_credential(browser, registered, as_tenant, merchant):
    id, _ = registered
    browser.post(
        "/credentials/",
        data={"kind": "cloud", "name": "B", "address": "http://b.example", "client_id": "b", "client_secret": "b"},
    )
    with as_tenant(merchant):
        other = db.session.scalar(select(func.max(Credential.id)))
    form = {"number": "1", "name": "Amazon 1", "marketplaces": "DE", "credential": str(other)}
    answer = browser.post(f"/platforms/{id}/edit", data=form)
    assert answer.status_code == 422
    assert "registered with its present credential" in read(answer.text).error_of("credential")
