"""The pages of credentials: kept, changed, tested in words, removed; the secret in none of them."""

from __future__ import annotations

import pytest
import requests
from sqlalchemy import select, text

from portal import secrets as seals
from portal.credentials import transport
from portal.credentials.models import Credential
from portal.extensions import db
from portal.scope import account
from tests.credentials.conftest import Reply
from tests.ports import free_port
from tests.reading import read
from tests.shipments.builders import a_platform

SECRET = "ganz-geheim-Größe-漢字"


@pytest.fixture
def browser(client_of, merchant):
    return client_of(merchant)


@pytest.fixture
def own(merchant):
    """The page of the credential that the tenant was made with."""
    return f"/credentials/{merchant.credential_id}"


@pytest.fixture
def kept(as_tenant, merchant):
    """The credential of a name, with its secret unsealed."""

    def look(name):
        with as_tenant(merchant):
            found = db.session.scalars(select(Credential).where(Credential.name == name)).one_or_none()
            secret = seals.unseal(found.client_secret, found.secret_place) if found else None
            db.session.expunge_all()
            return found, secret

    return look


def form(**fields):
    wanted = {
        "kind": "cloud",
        "name": "Anderswo",
        "address": "https://cloud.example.com/cloud/",
        "client_id": "kontor-1",
    }
    return wanted | {"client_secret": SECRET} | fields


def test_a_credential_is_kept(browser, kept, merchant):
    answer = browser.post("/credentials/", data=form(name="  Anderswo "))
    assert answer.status_code == 302
    credential, secret = kept("Anderswo")
    assert (credential.address, credential.client_id, secret) == (
        "https://cloud.example.com/cloud",
        "kontor-1",
        SECRET,
    )
    assert SECRET.encode() not in bytes(credential.client_secret)
    page = read(browser.get(answer.headers["Location"]).text)
    assert "Not tested yet." in page.words
    rows = {row[0]: row for row in read(browser.get("/credentials/").text).rows}
    assert rows["Anderswo"][1:] == ["Cloud", "https://cloud.example.com/cloud", "kontor-1", "Not tested"]


def test_the_secret_is_in_no_page(browser, own, merchant, live_server):
    answers = [
        browser.post("/credentials/", data=form(address="nonsense")),  # refused: the form comes back
        browser.post("/credentials/", data=form(name="")),
        browser.post(own, data=form(name="")),
        browser.post(own + "/test", follow_redirects=True),
        browser.get(own),
        browser.get("/credentials/"),
        browser.get("/platforms/new"),
    ]
    browser.post("/credentials/", data=form())
    answers += [browser.get("/credentials/"), browser.post("/credentials/", data=form())]
    for answer in answers:
        assert SECRET not in answer.text and merchant.client_secret not in answer.text
        for box in read(answer.text).all("input", name="client_secret"):
            assert box.attributes.get("value", "") == ""
            assert box.attributes["type"] == "password"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"address": ""}, "address"),
        ({"address": "cloud.example.com"}, "address"),
        ({"address": "ftp://cloud.example.com"}, "address"),
        ({"address": "https://user:pw@cloud.example.com"}, "address"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"client_secret": "x" * 501}, "client_secret"),
        ({"kind": "carrier"}, "kind"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_stays(browser, kept, wrong, field):
    answer = browser.post("/credentials/", data=form(**wrong))
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.error_of(field)
    for name in {"name", "address", "client_id"} - {field}:
        assert page.fields[name] == form()[name]
    assert kept("Anderswo") == (None, None)


def test_a_name_is_taken_once(browser, as_tenant, merchant):
    browser.post("/credentials/", data=form())
    answer = browser.post("/credentials/", data=form(client_id="other"))
    assert answer.status_code == 422
    assert "There is already a credential called “Anderswo”." in read(answer.text).error_of("name")
    with as_tenant(merchant):
        assert len(db.session.scalars(select(Credential.id)).all()) == 2


def test_a_secret_left_empty_stays(browser, kept):
    path = browser.post("/credentials/", data=form()).headers["Location"]
    assert "Leave it empty to keep the present secret." in read(browser.get(path).text).words
    assert browser.post(path, data=form(name="Umbenannt", client_secret="")).status_code == 302
    assert kept("Umbenannt")[1] == SECRET
    assert browser.post(path, data=form(name="Umbenannt", client_secret="neu")).status_code == 302
    assert kept("Umbenannt")[1] == "neu"


def test_a_change_to_anothers_name_changes_nothing(browser, own, kept):
    path = browser.post("/credentials/", data=form()).headers["Location"]
    taken = read(browser.get(own).text).fields["name"]
    answer = browser.post(path, data=form(name=taken, client_secret="neu"))
    assert answer.status_code == 422
    assert read(answer.text).error_of("name")
    assert kept("Anderswo")[1] == SECRET


# TEST


def test_a_good_credential(browser, own, live_server, merchant, app):
    answer = browser.post(own + "/test", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "The cloud takes this credential." in read(answer.text).words
    assert not read(answer.text).all("html")
    assert browser.post(own + "/test").headers["Location"] == own
    assert "The cloud takes this credential." in read(browser.get(own).text).words
    assert "Accepted" in read(browser.get("/credentials/").text).rows[0][4]
    with app.app_context(), account(merchant.account_id):
        told = db.session.scalar(text("SELECT webhook_url FROM cloud_account"))
    assert told == f"{live_server}/events/cloud/{merchant.credential_id}"


@pytest.fixture
def tested(browser, own, merchant, live_server):
    """`tested(address=...)`: change the credential, TEST, and what the page says then."""

    def test(**changes):
        data = {"kind": "cloud", "name": "Cloud", "address": live_server + "/cloud", "client_id": merchant.client_id}
        saved = browser.post(own, data=data | {"client_secret": merchant.client_secret} | changes)
        assert saved.status_code == 302
        assert "Not tested yet." in read(browser.get(own).text).words
        answer = browser.post(own + "/test", follow_redirects=True)
        assert answer.status_code == 200
        return read(answer.text).one("div", id="test").words

    return test


def test_each_failure_is_told_in_words_of_its_own(tested, serve, self_signed, live_server, monkeypatch):
    slow = serve(Reply(seconds=0.4))
    with monkeypatch.context() as impatient:  # with this one alone: the others are to answer, however busy we are
        impatient.setattr(transport, "TIMEOUT", (1, 0.1))
        too_slow = tested(address=slow)
    said = [
        (tested(client_id="kontor-nobody"), "no client with this id"),
        (tested(client_secret="wrong"), "knows the client id"),
        (tested(address=f"http://127.0.0.1:{free_port()}"), "Nothing answers at 127.0.0.1"),
        (tested(address="http://nowhere.invalid/cloud"), "no host nowhere.invalid"),
        (tested(address=serve(Reply(certificate=self_signed))), "self-signed certificate"),
        (tested(address=slow.replace("http:", "https:")), "does not answer in https"),
        (too_slow, "did not answer in time"),
        (tested(address=serve(Reply(200, b"<html>Welcome</html>"))), "not a Kontor cloud"),
        (tested(address=live_server), "usually ends in /cloud"),
        (tested(address=serve(Reply(307, headers={"Location": "http://elsewhere/"}))), "refers to another address"),
        (tested(address=serve(Reply(503, b""))), "Try again later"),
    ]
    for sentence, wanted in said:
        assert "The test failed" in sentence and wanted in sentence
    # What is no cloud is told in the same words, a portal's front page or any other.
    assert len({sentence for sentence, _ in said}) == len(said) - 1


def test_an_authority_of_ones_own_can_be_trusted(tested, serve, self_signed, app, monkeypatch):
    monkeypatch.setitem(app.config, "CERTIFICATES", str(self_signed))
    with app.app_context():
        monkeypatch.setitem(app.extensions, "cloud_session", transport.equip(requests.Session()))
    assert "not a Kontor cloud" in tested(address=serve(Reply(certificate=self_signed)))


def test_a_failure_shows_in_the_list_and_goes_when_it_works_again(browser, tested):
    tested(client_secret="wrong")
    assert "Refused" in read(browser.get("/credentials/").text).rows[0][4]
    assert "The cloud takes this credential." in tested()
    assert "Accepted" in read(browser.get("/credentials/").text).rows[0][4]


@pytest.mark.parametrize("changed", [{"address": "https://elsewhere.example.com"}, {"client_id": "kontor-another"}])
def test_the_kept_secret_goes_nowhere_else(browser, own, tested, merchant, live_server, changed, as_tenant):
    tested()
    data = {"kind": "cloud", "name": "Cloud", "address": live_server + "/cloud", "client_id": merchant.client_id}
    answer = browser.post(own, data=data | {"client_secret": ""} | changed)
    assert answer.status_code == 422
    page = read(answer.text)
    assert "Enter the secret too" in page.error_of("client_secret")
    assert all(page.fields[name] == value for name, value in changed.items())
    with as_tenant(merchant):
        kept = db.session.get_one(Credential, merchant.credential_id)
        assert kept.address == live_server + "/cloud" and kept.webhook_secret
    browser.post(own, data=data | {"client_secret": "another"} | changed)
    with as_tenant(merchant):
        assert db.session.get_one(Credential, merchant.credential_id).webhook_secret is None


def test_a_new_name_alone_keeps_the_result(browser, own, tested, merchant, live_server):
    tested()
    data = {"kind": "cloud", "name": "Neu", "address": live_server + "/cloud", "client_id": merchant.client_id}
    browser.post(own, data=data | {"client_secret": ""})
    assert "The cloud takes this credential." in read(browser.get(own).text).words


# Removing


def test_what_nothing_uses_is_removed(browser, kept):
    path = browser.post("/credentials/", data=form()).headers["Location"]
    assert "Nothing uses this credential." in read(browser.get(path).text).words
    assert browser.post(path + "/delete").headers["Location"] == "/credentials/"
    assert kept("Anderswo") == (None, None)
    assert browser.get(path).status_code == 404


def test_what_a_platform_uses_stays(browser, own, as_tenant, merchant):
    with as_tenant(merchant):
        a_platform(merchant)
    page = read(browser.get(own).text)
    assert "1 platform uses this credential, so it cannot be removed." in page.words
    assert not [one for one in page.all("form") if one.attributes["action"].endswith("/delete")]
    answer = browser.post(own + "/delete")
    assert answer.status_code == 422
    assert "1 platform uses this credential" in read(answer.text).words
    assert browser.get(own).status_code == 200
