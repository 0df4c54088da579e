"""Signing in by password, the session that begins, the language, and a new password."""

from __future__ import annotations

import re
import threading
from urllib.parse import urlsplit

import pytest
from flask import session as cookie
from sqlalchemy import select

from portal import create_app
from portal.extensions import db, network_of_caller
from portal.tenants import passwords, service
from portal.tenants.models import User
from tests.conftest import REAL_HASHER
from tests.patience import SECONDS
from tests.reading import read


def sign_in(browser, email, password, **fields):
    return browser.post("/sign-in", data={"email": email, "password": password, **fields})


def is_signed_in(browser):
    return browser.get("/documents/").status_code == 200


def test_the_right_password_signs_in(browser, merchant):
    assert browser.get("/sign-in").status_code == 200
    answer = sign_in(browser, merchant.email, merchant.password)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert is_signed_in(browser)


@pytest.mark.parametrize("typed", ["  {} ", "{}\n"])
def test_spaces_and_case_of_the_mail_address_do_not_count(browser, merchant, typed):
    assert sign_in(browser, typed.format(merchant.email.upper()), merchant.password).status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("{email}", "wrong horse battery"),
        ("{email}", "Correct horse battery"),
        ("{email}", "correct horse battery "),
        ("{email}", "correct horse battery\0"),
        ("nobody-{email}", "correct horse battery"),
        ("{email}' OR 1=1 --", "correct horse battery"),
        ("%", "correct horse battery"),
    ],
)
def test_what_does_not_fit_is_refused_with_one_sentence_for_all(browser, merchant, email, password):
    answer = sign_in(browser, email.format(email=merchant.email), password)
    assert answer.status_code == 422
    assert "E-mail address or password is wrong." in read(answer.text).words
    assert password not in answer.text
    assert not is_signed_in(browser)


def test_a_missing_field_is_named(browser, merchant):
    page = read(sign_in(browser, merchant.email, "").text)
    assert page.error_of("password")
    assert page.fields["email"] == merchant.email


def test_a_user_without_a_password_cannot_sign_in_by_one(browser, as_tenant, merchant):
    with as_tenant(merchant):
        db.session.get_one(User, merchant.user_id).password_hash = None
        db.session.commit()
    assert sign_in(browser, merchant.email, merchant.password).status_code == 422
    assert sign_in(browser, merchant.email, "").status_code == 422


@pytest.fixture
def real_hasher(app, monkeypatch):
    """Passwords are hashed as they are outside of tests."""
    monkeypatch.setattr(passwords, "HASHER", REAL_HASHER)


def test_passwords_are_kept_as_argon2id(real_hasher, as_tenant, make_tenant):
    merchant = make_tenant()
    with as_tenant(merchant):
        kept = db.session.scalar(select(User.password_hash).where(User.id == merchant.user_id))
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert merchant.password not in kept


def test_a_hash_of_weaker_parameters_is_made_anew(browser, as_tenant, merchant, real_hasher):
    with as_tenant(merchant):
        assert "m=8,t=1" in db.session.get_one(User, merchant.user_id).password_hash
    assert sign_in(browser, merchant.email, merchant.password).status_code == 302
    with as_tenant(merchant):
        assert "m=19456,t=2" in db.session.get_one(User, merchant.user_id).password_hash
        assert service.authenticate(merchant.email, merchant.password) is not None


# Guessing


def test_too_many_attempts_from_one_address_have_to_wait(browser, open_browser, make_tenant, merchant):
    for number in range(10):
        assert sign_in(browser, f"guess-{number}-{merchant.email}", "wrong").status_code == 422
    answer = sign_in(browser, merchant.email, merchant.password)
    assert answer.status_code == 429
    assert re.search(r"Too many attempts\. Try again in [1-5] minutes?\.", read(answer.text).words)
    assert sign_in(open_browser(), merchant.email, merchant.password).status_code == 302


def test_too_many_attempts_at_one_user_have_to_wait_from_anywhere(open_browser, make_tenant, merchant):
    spellings = [merchant.email, merchant.email.upper(), f" {merchant.email} ", f"\x01\x02{merchant.email}\x7f"]
    for number in range(10):
        assert sign_in(open_browser(), spellings[number % 4], "wrong").status_code == 422
    assert sign_in(open_browser(), merchant.email, merchant.password).status_code == 429
    other = make_tenant()
    assert sign_in(open_browser(), other.email, other.password).status_code == 302


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", True),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("unknown", "unknown", True),  # a proxy's word
    ],
)
def test_attempts_are_counted_by_what_one_guesser_has(app, one, other, together):
    def counted(address):
        with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            return network_of_caller()

    assert (counted(one) == counted(other)) is together


def test_signing_in_rightly_is_not_counted(open_browser, browser, merchant):
    for _ in range(12):
        assert sign_in(browser, merchant.email, merchant.password).status_code == 302


# The session


def test_the_cookie_is_kept_from_scripts_and_other_sites(browser, merchant):
    flags = sign_in(browser, merchant.email, merchant.password).headers["Set-Cookie"]
    assert flags.startswith("kontor=")
    assert "HttpOnly" in flags and "SameSite=Lax" in flags and "Path=/" in flags
    assert "Expires=" in flags
    assert "Secure" not in flags  # the tests' address is plain http: browsers would drop it


def test_on_https_the_cookie_is_sent_over_nothing_else(app, environment, monkeypatch, merchant):
    monkeypatch.setenv("KONTOR_URL", "https://kontor.example.com")
    secure = create_app({"TESTING": True, "WTF_CSRF_ENABLED": False})
    answer = sign_in(secure.test_client(), merchant.email, merchant.password)
    assert answer.status_code == 302
    assert "Secure" in answer.headers["Set-Cookie"]
    with secure.app_context():
        db.engine.dispose()


def test_nothing_of_the_session_before_survives_signing_in(browser, merchant):
    with browser.session_transaction() as before:
        before.update(planted="by somebody else", csrf_token="known", language="de")
    with browser:
        sign_in(browser, merchant.email, merchant.password)
        assert "planted" not in cookie
        assert cookie.get("csrf_token") != "known"
        assert cookie["language"] == "de"


def test_the_session_of_the_user_before_ends(browser, make_tenant, merchant):
    other = make_tenant("Zweite GmbH")
    sign_in(browser, merchant.email, merchant.password)
    sign_in(browser, other.email, other.password)
    page = browser.get("/settings/users").text
    assert other.email in page
    assert merchant.email not in page


def test_signing_out_ends_it(browser, merchant):
    sign_in(browser, merchant.email, merchant.password)
    assert browser.post("/sign-out").headers["Location"] == "/sign-in"
    assert not is_signed_in(browser)


def test_a_cookie_that_was_copied_before_signing_out_opens_nothing_after(browser, open_browser, merchant, as_tenant):
    for one in (browser, other := open_browser()):
        sign_in(one, merchant.email, merchant.password)
    copied, copy = browser.get_cookie("kontor").value, open_browser()
    copy.set_cookie("kontor", copied)
    assert is_signed_in(copy)
    browser.post("/sign-out")
    assert not is_signed_in(copy)
    copy.set_cookie("kontor", copied)
    assert not is_signed_in(copy)
    assert is_signed_in(other)
    other.post("/sign-out")
    with as_tenant(merchant):
        assert len(db.session.get_one(User, merchant.user_id).ended_sessions) == 2


def test_sessions_that_ended_long_ago_are_not_kept(merchant, as_tenant):
    with as_tenant(merchant):
        user = db.session.get_one(User, merchant.user_id)
        service.end_session(user, "long ago", -1)
        service.end_session(user, "now", 60)
        assert list(user.ended_sessions) == ["now"]


def test_signing_out_is_no_link(browser, merchant):
    sign_in(browser, merchant.email, merchant.password)
    assert browser.get("/sign-out").status_code == 405
    assert is_signed_in(browser)


@pytest.mark.parametrize("value", ["", "x", ":", "1:", ":1", "a:b", "1:2:3", "-1:1", "0:0", "1:1", "1:1:"])
def test_a_cookie_that_makes_no_sense_is_nobody(browser, value):
    with browser.session_transaction() as session:
        session["_user_id"], session["id"] = value, "of the tests"
    answer = browser.get("/documents/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in")


# Where it leads


def test_the_page_that_was_asked_for_comes_after_signing_in(browser, merchant):
    asked = browser.get("/documents/?state=open&q=a%26b")
    page = read(browser.get(asked.headers["Location"]).text)
    answer = sign_in(browser, merchant.email, merchant.password, next=page.fields["next"])
    assert answer.headers["Location"] == "/documents/?state=open&q=a%26b"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        " //evil.example",
        "http:evil.example",
    ],
)
def test_signing_in_never_leads_elsewhere(browser, merchant, target):
    shown = browser.get("/sign-in", query_string={"next": target})
    assert read(shown.text).fields["next"] == ""
    assert sign_in(browser, merchant.email, merchant.password, next=target).headers["Location"] == "/"
    assert browser.get("/sign-in", query_string={"next": target}).headers["Location"] == "/"
    assert browser.post("/settings/language", data={"language": "en", "next": target}).headers["Location"] == "/"


# Language


def test_the_language_is_changed_and_remembered(browser, open_browser, merchant):
    sign_in(browser, merchant.email, merchant.password)
    assert 'lang="en"' in browser.get("/settings/password").text
    answer = browser.post("/settings/language", data={"language": "de", "next": "/settings/password"})
    assert answer.headers["Location"] == "/settings/password"
    assert 'lang="de"' in browser.get("/settings/password").text
    elsewhere = open_browser()
    sign_in(elsewhere, merchant.email, merchant.password)
    assert 'lang="de"' in elsewhere.get("/settings/password").text


def test_before_signing_in_the_browser_or_the_visitor_chooses(browser):
    german, french = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}, {"Accept-Language": "fr"}
    assert 'lang="de"' in browser.get("/sign-in", headers=german).text
    assert 'lang="en"' in browser.get("/sign-in", headers=french).text
    browser.post("/settings/language", data={"language": "de"})
    assert 'lang="de"' in browser.get("/sign-in", headers=french).text


@pytest.mark.parametrize("language", ["fr", "", "DE", "de\0", "../de"])
def test_a_language_that_is_not_spoken_is_refused(browser, language):
    assert browser.post("/settings/language", data={"language": language}).status_code == 422


# A new password


def change(browser, present, new, again=None):
    return browser.post(
        "/settings/password", data={"present": present, "password": new, "password_again": again or new}
    )


def test_a_new_password_takes_the_place_of_the_old(browser, open_browser, merchant):
    sign_in(browser, merchant.email, merchant.password)
    assert change(browser, merchant.password, "Größe 漢字 und mehr").status_code == 302
    assert sign_in(open_browser(), merchant.email, merchant.password).status_code == 422
    assert sign_in(open_browser(), merchant.email, "Größe 漢字 und mehr").status_code == 302


def test_a_new_password_ends_every_other_session_and_link(browser, open_browser, merchant, as_tenant):
    other = open_browser()
    for one in (browser, other):
        sign_in(one, merchant.email, merchant.password)
    with as_tenant(merchant):
        link = urlsplit(service.create_sign_in_link(db.session.get_one(User, merchant.user_id))).path
        db.session.commit()
    change(browser, merchant.password, "a new password")
    assert browser.get("/documents/").status_code == 200
    assert not is_signed_in(other)
    assert "This link has expired." in read(open_browser().post(link).text).words


def test_of_two_who_know_the_password_and_change_it_at_once_one_is_in(browser, open_browser, merchant):
    together, answers = threading.Barrier(4, timeout=SECONDS), []
    browsers = [browser, *(open_browser() for _ in range(3))]
    for one in browsers:
        sign_in(one, merchant.email, merchant.password)

    def work(number):
        together.wait()
        answer = change(browsers[number], merchant.password, f"a new password {number}")
        answers.append((answer.status_code, answer.headers.get("Location", "").partition("?")[0]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    # The others' present password is another by then, or they are signed out before they are asked for it.
    assert answers.count((302, "/")) == 1
    assert set(answers) <= {(302, "/"), (422, ""), (302, "/sign-in")}
    assert sum(is_signed_in(one) for one in browsers) == 1


@pytest.mark.parametrize(
    ("present", "new", "again", "field"),
    [
        ("wrong", "a new password", None, "present"),
        ("", "a new password", None, "present"),
        ("correct horse battery", "kürzest", None, "password"),
        ("correct horse battery", "x" * 201, None, "password"),
        ("correct horse battery", "\u3000" * 10, None, "password"),
        ("correct horse battery", "ababcabcabcc", None, "password"),
        ("correct horse battery", "a new password", "another one", "password_again"),
    ],
)
def test_a_password_that_is_not_taken_says_why_at_the_field(
    browser, open_browser, merchant, present, new, again, field
):
    sign_in(browser, merchant.email, merchant.password)
    answer = change(browser, present, new, again)
    assert answer.status_code == 422
    assert read(answer.text).error_of(field)
    assert new not in answer.text
    assert sign_in(open_browser(), merchant.email, merchant.password).status_code == 302


def test_guessing_the_present_password_is_throttled(browser, merchant):
    sign_in(browser, merchant.email, merchant.password)
    for _ in range(10):
        assert change(browser, "wrong", "a new password").status_code == 422
    assert change(browser, merchant.password, "a new password").status_code == 429
