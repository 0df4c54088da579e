"""What holds for every route: tokens against forged forms, junk in forms, bodies too large, headers."""

from __future__ import annotations

import itertools
import re
import traceback
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from portal import create_app
from portal.config import MAX_BODY_BYTES
from portal.extensions import csrf, db
from portal.tenants import service
from tests.conftest import Merchant
from tests.reading import read

# Without a token on purpose: another machine calls, and proves by a signature or a bearer token who it is.
NO_TOKEN = {"events.receive", "cloud"}
SIGN_IN = "tenants.check_password"  # leads back to the form, where a new token is


def changing(app: Flask, cloud: bool = False) -> Iterator[tuple[Rule, str]]:
    """Every route that changes something, with the method."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/cloud/") == cloud:
            for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}):
                yield rule, method


def path_of(rule: Rule, ids: dict[str, Any]) -> str:
    """The address with the merchant's own ids, as far as there are any, else with 1."""
    segments = re.findall(r"([^/]+)/<", rule.rule)
    path = rule.rule
    for segment in segments:
        path = re.sub(r"<[^>]+>", str(ids.get(segment, 1)), path, count=1)
    return re.sub(r"<[^>]+>", "1", path)


@pytest.fixture
def merchant(make_tenant) -> Merchant:
    return make_tenant(role="operator")


@pytest.fixture
def ids(app, as_tenant, merchant) -> dict[str, Any]:
    """Rows of the merchant's own, by the segment of the address before their id."""
    from tests.documents.builders import an_order, write
    from tests.shipments.builders import a_document, a_platform

    with as_tenant(merchant):
        platform = a_platform(merchant, reference=None)
        document = a_document(merchant)
        held = an_order("028-7654321-7654321", total=Decimal(1))  # does not add up
        write(platform, held)
        user = service.create_user("Clerk", f"clerk-{merchant.email}", "clerk")
        carrier = db.session.scalar(text("SELECT min(id) FROM carrier"))
        db.session.commit()
        return {
            "platforms": platform.id,
            "documents": document.id,
            "held": db.session.scalar(text("SELECT id FROM held_order")),
            "users": user.id,
            "carriers": carrier,
            "credentials": merchant.credential_id,
        }


# Forged forms


@pytest.fixture(scope="module")
def guarded(app: Flask) -> Iterator[Flask]:
    """The app as it runs, with tokens in its forms."""
    guarded = create_app({"TESTING": True})
    guarded.jinja_env.bytecode_cache = app.jinja_env.bytecode_cache
    assert guarded.config["WTF_CSRF_ENABLED"]
    yield guarded
    with guarded.app_context():
        db.engine.dispose()


@pytest.fixture
def visitor(guarded: Flask, merchant: Merchant) -> FlaskClient:
    """The merchant's browser, at the guarded app."""
    client = guarded.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["id"] = f"{merchant.tenant_id}:{merchant.user_id}:0", "of the tests"
    return client


def test_forms_are_sent_over_https_too(guarded, merchant, monkeypatch):
    """Behind a proxy. A browser tells no page of ours where it comes from, since our pages ask it not to."""
    monkeypatch.setattr(guarded, "wsgi_app", ProxyFix(guarded.wsgi_app))
    told, browser = {"X-Forwarded-Proto": "https"}, guarded.test_client()
    page = browser.get("/sign-in", headers=told)
    assert page.headers["Referrer-Policy"] == "no-referrer" and page.headers["Strict-Transport-Security"]
    fields = {"email": merchant.email, "password": merchant.password}
    fields["csrf_token"] = read(page.text).fields["csrf_token"]
    answer = browser.post("/sign-in", data=fields, headers=told)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    page = browser.get("/settings/password", headers=told)
    token = {"csrf_token": read(page.text).fields["csrf_token"]}
    assert browser.post("/settings/language", data={"language": "de", **token}, headers=told).status_code == 302
    assert browser.post("/settings/language", data={"language": "en"}, headers=told).status_code == 400


def test_what_failed_is_logged_without_the_token_of_a_link(app, monkeypatch):
    def gone(token):
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(service, "check_sign_in_link", gone)
    with structlog.testing.capture_logs() as logs:
        assert app.test_client().get("/sign-in/a-token-of-a-link").status_code == 503
    assert [each["route"] for each in logs if each["event"] == "database_failed"] == ["/sign-in/<token>"]
    assert "a-token-of-a-link" not in str(logs)


def test_every_change_asks_for_a_token(guarded, visitor, ids):
    tried = 0
    for rule, method in changing(guarded):
        if rule.endpoint in NO_TOKEN:
            continue
        for headers in ({}, {"HX-Request": "true"}):
            answer = visitor.open(path_of(rule, ids), method=method, headers=headers)
            if rule.endpoint == SIGN_IN:
                assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in")
                continue
            assert answer.status_code == 400, f"{method} {rule.rule}: {answer.status}"
            assert "This form belongs to another session." in read(answer.text).words, rule.rule
        tried += 1
    assert tried > 20


def test_just_these_do_without(guarded):
    exempt = {name.removeprefix("portal.") for name in csrf._exempt_views}
    assert exempt == set(), "name what is exempt by view in NO_TOKEN"
    assert {blueprint if isinstance(blueprint, str) else blueprint.name for blueprint in csrf._exempt_blueprints} >= {
        "events"
    }


def test_machines_are_asked_for_their_own_proof(guarded, visitor, ids, merchant):
    answer = visitor.post(f"/events/cloud/{merchant.credential_id}", data=b"{}")
    assert answer.status_code == 401
    for rule, method in changing(guarded, cloud=True):
        answer = visitor.open(path_of(rule, ids), method=method)  # the session's cookie opens nothing here
        assert answer.status_code in (400, 401), f"{method} {rule.rule}: {answer.status}"


def test_the_token_of_another_session_is_none(guarded, visitor):
    stranger = guarded.test_client()
    stolen = read(stranger.get("/sign-in").text).fields["csrf_token"]
    answer = visitor.post("/settings/language", data={"language": "de", "csrf_token": stolen})
    assert answer.status_code == 400
    own = read(visitor.get("/settings/password").text).all("input", name="csrf_token")[0].attributes["value"]
    assert visitor.post("/settings/language", data={"language": "de", "csrf_token": own}).status_code == 302


def test_every_form_of_a_page_carries_its_token(visitor, guarded, ids):
    """A form without one would be refused when somebody sends it."""
    for rule in guarded.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.rule.startswith(("/cloud", "/operations", "/static")):
            continue
        answer = visitor.get(path_of(rule, ids))
        if answer.mimetype != "text/html" or answer.status_code != 200:
            continue
        for form in read(answer.text).all("form"):
            if form.attributes.get("method", "get").lower() == "post":
                tokens = [box.attributes.get("value") for box in form.all("input", name="csrf_token")]
                assert len(tokens) == 1 and tokens[0], f"{rule.rule}: {form.attributes.get('action')}"


# Junk


JUNK = {
    "nothing": "",
    "a space": " ",
    "NUL": "a\0b",
    "words": "not a number",
    "a huge number": "9" * 400,
    "a negative number": "-1",
    "a number of another script": "٣²",
    "half a letter": "\udc80",
    "markup": "<script>alert(1)</script>\"'",
    "long": "x" * 100_000,
    "a template": "{{ 7*7 }}%(name)s%s",
}
# What reads no field but its token, and leaves nothing for the routes after it.
DESTROYING = {"tenants.sign_out", "tenants.remove", "credentials.delete", "shipments.delete_carrier"}
FIELDS = (
    *("name", "email", "role", "password", "password_again", "present", "next", "language", "company"),
    *("customer_number", "time_zone", "user_name", "kind", "address", "client_id", "client_secret", "number", "active"),
    *("credential", "marketplaces", "order_id", "platform", "carrier", "tracking_number", "shipped_on", "quantity-1"),
    *("quantity-0", "quantity-x", "despite_cancellation", "marketplace_code", "marketplace_name", "shipping_method"),
    *("sku", "title", "tax_class", "text", "seen", "whole"),
    "csrf_token",
)


def assert_not_ours(answer: Any, what: str) -> None:
    """No error of the portal's own; 503 is what it says where the cloud does not answer, as here."""
    assert answer.status_code < 500 or (answer.status_code == 503 and b"Nothing answers at" in answer.data), (
        f"{what}: {answer.status}"
    )


def third_of(things: Iterable[Any], turn: int) -> Iterator[Any]:
    """Every third, from another one on in each turn: all kinds of junk with all routes would take minutes."""
    return itertools.islice(things, turn % 3, None, 3)


@pytest.mark.parametrize(("turn", "junk"), list(enumerate(JUNK.values())), ids=JUNK.keys())
def test_junk_in_a_form_is_never_an_error_of_ours(app, client_of, merchant, ids, turn, junk):
    browser = client_of(merchant)
    body = junk.encode("utf-8", "surrogateescape")
    for rule, method in third_of(changing(app), turn):
        if rule.endpoint in DESTROYING:
            continue
        answer = browser.open(
            path_of(rule, ids), method=method, data=dict.fromkeys(FIELDS, body), content_type="multipart/form-data"
        )
        assert_not_ours(answer, f"{method} {rule.rule}")
        assert b"<script>alert" not in answer.data, rule.rule


@pytest.mark.parametrize(
    ("turn", "body", "kind"),
    [
        (0, b"", "application/x-www-form-urlencoded"),
        (1, b"%zz=%&&=&name", "application/x-www-form-urlencoded"),
        (2, b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (3, b"&".join(b"f%d=1" % number for number in range(3000)), "application/x-www-form-urlencoded"),
        (4, b"no part at all", "multipart/form-data; boundary=x"),
        (5, b"no boundary", "multipart/form-data"),
        (
            6,
            b'--x\r\nContent-Disposition: form-data; name="name"; filename="a"\r\n\r\nb\r\n--x--',
            "multipart/form-data; boundary=x",
        ),
        (7, b'{"name": 1}', "application/json"),
        (8, b"[" * 50_000, "application/json"),
        (9, b"<a/>", "text/xml; charset=nonsense"),
    ],
)
def test_bodies_that_are_no_form_are_never_an_error_of_ours(app, client_of, merchant, ids, turn, body, kind):
    browser = client_of(merchant)
    for rule, method in third_of(changing(app), turn):
        if rule.endpoint in DESTROYING:
            continue
        answer = browser.open(path_of(rule, ids), method=method, data=body, content_type=kind)
        assert_not_ours(answer, f"{method} {rule.rule}")


@pytest.mark.parametrize(("turn", "junk"), list(enumerate(JUNK.values())), ids=JUNK.keys())
def test_junk_in_a_query_is_never_an_error_of_ours(app, client_of, merchant, ids, turn, junk):
    browser = client_of(merchant)
    names = ("q", "state", "platform", "sort", "after", "before", "address", "from", "to", "next", "order_id")
    names += ("connection", "fulfilled_by", "since", "until", "day", "page")
    query = {name: junk[:2000].encode("utf-8", "surrogateescape") for name in names}
    # Every page is asked for whole and in parts, in turn, which over all kinds of junk is often enough.
    turns = itertools.cycle([{}, {"HX-Request": "true"}] if len(junk) % 2 else [{"HX-Request": "true"}, {}])
    for rule in third_of(app.url_map.iter_rules(), turn):
        if "GET" in (rule.methods or ()) and not rule.rule.startswith(("/cloud", "/operations", "/static")):
            answer = browser.get(path_of(rule, ids), query_string=query, headers=next(turns))
            assert_not_ours(answer, rule.rule)
            assert b"<script>alert" not in answer.data, rule.rule


def test_a_body_that_is_too_large_is_refused(app, client_of, merchant, ids):
    browser = client_of(merchant)
    body = b"name=" + b"x" * MAX_BODY_BYTES
    refused = set()
    for rule, method in changing(app):
        if rule.endpoint not in DESTROYING:
            answer = browser.open(
                path_of(rule, ids), method=method, data=body, content_type="application/x-www-form-urlencoded"
            )
            assert_not_ours(answer, f"{method} {rule.rule}")
            if answer.status_code == 413:
                assert read(answer.text).words
                refused.add(rule.endpoint)
    assert refused >= {"platforms.create", "credentials.create", "tenants.invite", "documents.fetch_now", SIGN_IN}


# Headers


def test_every_page_keeps_itself_out_of_frames_and_caches(client_of, merchant):
    browser = client_of(merchant)
    for path in ("/", "/documents/", "/settings/users", "/nowhere", "/sign-in"):
        headers = browser.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"


def test_what_is_not_there_answers_in_the_form_that_was_asked_for(app):
    client = app.test_client()
    page = client.get("/nowhere")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    for path, accepted in (("/nowhere", "application/json"), ("/cloud/v1/nowhere", "*/*")):
        problem = client.get(path, headers={"Accept": accepted})
        assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")
        assert problem.get_json(force=True)["status"] == 404


def test_a_statement_that_fails_tells_of_nobody(app):
    """Such errors are logged, and kept by the queue."""
    with app.app_context(), pytest.raises(DBAPIError) as error:
        db.session.execute(text("SELECT 1 / 0, CAST(:name AS text)"), {"name": "Käthe Müller"})
    assert "Käthe" not in str(error.value)


def test_a_row_that_is_refused_tells_of_nobody_either(app, as_tenant, merchant):
    """PostgreSQL says the row's values behind what was wrong with it."""
    refused = pytest.raises(IntegrityError, match="uq_app_user_email")
    with as_tenant(merchant), refused as error, db.session.begin_nested():
        db.session.execute(
            text("INSERT INTO app_user (tenant_id, email, name) SELECT tenant_id, email, name FROM app_user")
        )
    said = "".join(traceback.format_exception(error.value))
    assert merchant.email not in said and "DETAIL" not in said
