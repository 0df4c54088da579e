"""Nobody sees, changes or finds anything of a neighbour's: every route, walked as a second tenant."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal.listings.listing import ACT
from tests.isolation.marked import Marked, everything
from tests.reading import read

# Whose id a parameter is, by the segment of the address before it and its name. An address with another
# parameter fails the walk until it is named here.
KINDS = {
    ("actions", "id"): "action_run",
    ("addresses", "id"): "address",
    ("articles", "id"): "article",
    ("carriers", "id"): "carrier",
    ("cloud", "id"): "credential",
    ("credentials", "id"): "credential",
    ("documents", "id"): "document",
    ("held", "id"): "held_order",
    ("merges", "id"): "address_merge",
    ("jobs", "id"): "run",
    ("platforms", "id"): "platform",
    ("schemas", "id"): "action_schema",
    ("services", "id"): "service",
    ("shipments", "id"): "shipment",
    ("statuses", "id"): "address_status",
    ("numbers", "id"): "number_range",
    ("payment-methods", "id"): "payment_method",
    ("payment-terms", "id"): "payment_terms",
    ("shipping-methods", "id"): "shipping_method",
    ("tax-codes", "id"): "tax_code",
    ("tax-rates", "id"): "tax_rate",
    ("tasks", "id"): "task",
    ("runs", "id"): "task_run",
    ("users", "id"): "app_user",
    ("views", "id"): "list_view",
}
# Of the cloud's API, with the column that holds what stands in the address.
CLOUD_KINDS = {
    ("platforms", "reference"): ("cloud_platform", "reference"),
    ("orders", "order_id"): ("cloud_order", "order_id"),
    ("status-messages", "key"): ("cloud_status_message", "key"),
}
# What anybody may call, and why.
OPEN = {
    "static": "files of the pages",
    "health": "says no more than ok",
    "tenants.sign_in": "the way in",
    "tenants.check_password": "the way in",
    "tenants.sign_out": "the way out; also of a session that has ended",
    "tenants.link": "the token is the key",
    "tenants.use_link": "the token is the key",
    "tenants.first_run": "404 once there is a tenant",
    "tenants.set_up": "404 once there is a tenant",
    "tenants.language": "kept in the visitor's own cookie",
    "events.receive": "the signature is the key",
}
CLOUD_OPEN = {"cloud_oauth.create", "cloud_openapi.show", "cloud_connect.show", "cloud_connect.callback"}
NUMBERS_ONLY = ("/progress", "/waiting")  # fragments without a word of the tenant's
OPERATORS = "rq_dashboard"
PARAMETER = re.compile(r"([^/]+)/<(?:[^:<>]+:)?([a-z_]+)>")


def is_cloud(rule: Rule) -> bool:
    return rule.rule.startswith("/cloud/")


def calls(app: Flask, cloud: bool = False) -> Iterator[tuple[Rule, str]]:
    """Every route of the portal, or of the cloud, with each of its methods."""
    for rule in app.url_map.iter_rules():
        if is_cloud(rule) == cloud:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method


def path_of(rule: Rule, marked: Marked) -> str:
    """The address with this tenant's ids in it."""
    path = rule.rule
    for segment, name in PARAMETER.findall(rule.rule):
        if is_cloud(rule):
            table, column = CLOUD_KINDS.get((segment, name), ("", ""))
        else:
            table, column = KINDS.get((segment, name), ""), "id"
        assert table, f"Say in KINDS what <{name}> is in {rule.rule}, so that it is tried with a neighbour's."
        path = re.sub(rf"<(?:[^:<>]+:)?{name}>", str(marked.rows[table][column]), path, count=1)
    assert "<" not in path, rule.rule
    return path


@pytest.fixture
def browser(client_of: Any, second: Marked) -> FlaskClient:
    """The second tenant's administrator, signed in."""
    return client_of(second.merchant)


# Routes


def test_no_route_shows_or_changes_what_is_a_neighbours(app, owner, browser, first, second):
    before = everything(owner, first)
    tried = 0
    for rule, method in calls(app):
        if rule.endpoint in OPEN or rule.endpoint.startswith(OPERATORS) or not rule.arguments:
            continue
        for headers in ({}, {"HX-Request": "true"}):
            answer = browser.open(path_of(rule, first), method=method, headers=headers)
            assert answer.status_code == 404, f"{method} {rule.rule}: {answer.status}"
            assert first.mark not in answer.text
        tried += 1
    assert tried > 20
    assert everything(owner, first) == before


def test_the_same_routes_show_what_is_ones_own(app, browser, second):
    """Else the walk above would find nothing because nothing is to be found."""
    for rule, method in calls(app):
        if method != "GET" or rule.endpoint in OPEN or rule.endpoint.startswith(OPERATORS) or not rule.arguments:
            continue
        answer = browser.get(path_of(rule, second), follow_redirects=True)
        assert answer.status_code == 200, f"{rule.rule}: {answer.status}"
        assert second.mark in answer.text or rule.rule.endswith(NUMBERS_ONLY), rule.rule


LISTS = {
    "/documents/",
    "/held/",
    "/addresses/",
    "/masterdata/articles/",
    "/masterdata/articles/export",
    "/shipments/",
    "/shipments/carriers",
    "/platforms/",
    "/credentials/",
    "/services/",
    "/tasks/runs/",
}
LISTS |= {f"/masterdata/{kind}/" for kind in ("payment-methods", "payment-terms", "shipping-methods", "tax-codes")}


def test_no_page_without_an_id_shows_what_is_a_neighbours(app, browser, first, second):
    shown = set()
    for rule, method in calls(app):
        if method != "GET" or rule.arguments or rule.endpoint.startswith(OPERATORS):
            continue
        for headers in ({}, {"HX-Request": "true"}):
            answer = browser.get(rule.rule, headers=headers)
            assert answer.status_code < 500, f"{rule.rule}: {answer.status}"
            assert first.mark not in answer.text, rule.rule
            if second.mark in answer.text:
                shown.add(rule.rule)
    assert shown >= LISTS | {"/", "/jobs/", "/settings/users"}


@pytest.mark.parametrize(
    "address",
    [
        "/search?q={term}",
        "/search?q={term}-held",
        "/documents/?q={term}",
        "/documents/?platform={platform}",
        "/documents/?address={address}",
        "/documents/ask?order_id={term}",
        "/documents/ask?order_id={term}-held",
        "/held/?q={term}-held",
        "/addresses/?q={term}",
        "/masterdata/articles/?q={term}",
        "/shipments/?q={term}",
        "/jobs/?platform={platform}",
        "/documents/?fetch={run}",
        "/documents/?actions={action_run}",
        "/tasks/runs/?task={task}",
        "/tasks/?service={service}",
        "/services/?q={term}",
        "/settings/users?q={term}",
        "/addresses/doubles?q={term}",
        "/masterdata/tax-rates/?q={term}",
    ],
)
def test_nothing_of_a_neighbours_is_found(client_of, first, second, address):
    ids = {table: first.id(table) for table in ("platform", "address", "run", "action_run", "task", "service")}
    wanted = address.format(term=first.term, **ids)
    answer = client_of(second.merchant).get(wanted)
    assert answer.status_code == 200
    assert first.mark not in answer.text
    theirs = client_of(first.merchant).get(wanted, follow_redirects=True)
    assert first.mark in theirs.text, "its owner does not find it either"


EXPORTED = [
    "/documents/",
    "/held/",
    "/addresses/",
    "/masterdata/articles/",
    "/shipments/",
    "/platforms/",
    "/credentials/",
    "/jobs/",
    "/addresses/statuses",
    "/addresses/merges",
    "/shipments/carriers",
    "/masterdata/payment-methods/",
    "/masterdata/tax-codes/",
    "/actions/schemas",
    "/addresses/numbers",
    "/masterdata/tax-rates/",
    "/services/",
    "/settings/users",
    "/tasks/",
]


@pytest.mark.parametrize("address", ["/held/selection", "/shipments/selection"])
def test_no_action_on_all_rows_touches_a_neighbours(owner, browser, first, address):
    before = everything(owner, first)
    answer = browser.post(address, data={"action": "retry", "all": "1", "seen": "1"})
    assert answer.status_code == 302
    assert everything(owner, first) == before


def lists(app: Flask) -> Iterator[Rule]:
    """Where what is to be done with rows of a list is sent: below the list."""
    return (rule for rule, method in calls(app) if method == "POST" and rule.endpoint.endswith(ACT))


def test_no_action_on_ticked_rows_touches_a_neighbours(app, owner, browser, client_of, first):
    before, tried = everything(owner, first), set()
    for rule in lists(app):
        if not rule.arguments:  # else the list itself is not found
            ids, actions = offered(client_of(first.merchant), rule, first)
            for action in actions - {"csv", "xlsx"}:
                answer = browser.post(rule.rule, data={"action": action, "id": ids, "seen": "1"})
                assert answer.status_code == 302, f"{action} at {rule.rule}"
                tried.add(action)
    assert tried >= {"area", "off", "remove", "retry", "run", "test"}
    assert everything(owner, first) == before


def test_of_every_list_rows_are_ticked_and_taken_along_but_no_neighbours(app, client_of, first, second):
    empty = set()
    for rule in lists(app):
        path = path_of(rule, second)
        ids, _actions = offered(client_of(second.merchant), rule, second)
        theirs, _actions = offered(client_of(first.merchant), rule, first)
        if not ids:
            empty.add(rule.rule)
            continue
        answer = client_of(second.merchant).post(path, data={"action": "csv", "id": [*theirs, *ids]})
        assert answer.status_code == 200, rule.rule
        assert len(list(csv.reader(io.StringIO(answer.text)))) == 1 + len(ids), rule.rule
        assert first.mark not in answer.text
    assert empty == {"/addresses/doubles/selection"}


def offered(browser: FlaskClient, rule: Rule, marked: Marked) -> tuple[list[str], set[str]]:
    """What may be ticked in a list, and what it offers to do with that."""
    path = path_of(rule, marked).removesuffix("/selection")
    page = read(browser.get(path, follow_redirects=True).text)
    return list(page.ticks.values()), {button.attributes["value"] for button in page.all("button", name="action")}


@pytest.mark.parametrize("address", EXPORTED)
def test_no_file_of_a_list_holds_what_is_a_neighbours(client_of, first, second, address):
    """Rows are read while the file is sent, when the request's own scope has ended."""
    for kind in ("csv", "xlsx"):
        own, theirs = (_content(client_of(each.merchant).get(f"{address}?export={kind}")) for each in (second, first))
        assert first.mark in theirs and second.mark in own
        assert first.mark not in own and second.mark not in theirs


def _content(answer: TestResponse) -> str:
    assert answer.status_code == 200
    if answer.mimetype == "text/csv":
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as book:
        return "".join(book.read(name).decode() for name in book.namelist())


def test_choosing_columns_leaves_a_neighbours_choice_alone(owner, browser, first, second):
    before = everything(owner, first)
    assert browser.post("/lists/columns", data={"list": "documents.index", "column": ["order"]}).status_code == 302
    assert everything(owner, first) == before
    assert any("documents.index" in row for row in everything(owner, second)["list_columns"])


@pytest.mark.parametrize(
    ("address", "form"),
    [
        (
            "/platforms/",
            {"number": "77", "name": "Amazon 77", "marketplaces": "DE", "active": "y", "credential": "{credential}"},
        ),
        (
            "/platforms/{own_platform}/edit",
            {"number": "78", "name": "Amazon 78", "marketplaces": "DE", "credential": "{credential}"},
        ),
        ("/platforms/{own_platform}/defaults", {"address_status": "{address_status}"}),
        (
            "/shipments/documents/{own_document}",
            {
                "carrier": "{carrier}",
                "tracking_number": "00340434161094000001",
                "quantity-1": "1",
                "reference-1": "item-1",
            },
        ),
        (
            "/masterdata/tax-rates/new",
            {
                "country": "DE",
                "tax_class": "zero",
                "valid_from": "2026-01-01",
                "rate": "0",
                "tax_code": "{tax_code}",
            },
        ),
        (
            "/masterdata/taxes",
            {"home_country": "DE", "reverse_charge_code": "{tax_code}", "export_code": "0", "collected_code": "0"},
        ),
        ("/platforms/{own_platform}/articles", {"sku": "SKU", "number": "{neighbours_article}"}),
        ("/platforms/{own_platform}/articles/missing", {"sku": "SKU", "number": "{neighbours_article}"}),
        ("/shipments/{own_shipment}/retry", {"carrier": "{carrier}", "tracking_number": "00340434161094000001"}),
    ],
)
def test_a_neighbours_id_in_a_field_is_not_accepted(owner, browser, first, second, address, form):
    ids = {name: row["id"] for name, row in first.rows.items() if "id" in row}
    ids |= {f"own_{name}": row["id"] for name, row in second.rows.items() if "id" in row}
    ids["neighbours_article"] = first.rows["article"]["number"]
    before = everything(owner, second)
    answer = browser.post(address.format_map(ids), data={name: value.format_map(ids) for name, value in form.items()})
    assert answer.status_code == 422
    assert first.mark not in answer.text
    assert everything(owner, second) == before


def test_asking_a_neighbours_platform_asks_nobody(owner, browser, first):
    before = everything(owner, first)
    answer = browser.post("/documents/ask", data={"order_id": first.term, "platform": str(first.id("platform"))})
    assert answer.status_code < 500
    assert first.mark not in answer.text
    assert everything(owner, first) == before


def test_retrying_all_held_orders_leaves_a_neighbours_alone(owner, browser, first):
    before = everything(owner, first)
    assert browser.post("/held/retry").status_code == 302
    assert everything(owner, first) == before


@pytest.mark.parametrize("id", [0, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30])
def test_an_id_that_never_was_answers_as_a_neighbours(app, browser, first, id):
    for rule, method in calls(app):
        if rule.arguments == {"id"} and rule.endpoint not in OPEN:
            path = path_of(rule, first)
            answer = browser.open(re.sub(r"/\d+(/|$)", rf"/{id}\1", path), method=method)
            # 405: no route with so large an id, though one of another method has the form
            assert answer.status_code in (404, 405), f"{method} {rule.rule} with {id}: {answer.status}"


def test_every_page_asks_to_sign_in(app, first):
    stranger = app.test_client()
    for rule, method in calls(app):
        if rule.endpoint in OPEN:
            continue
        path = re.sub(r"<[^>]+>", "1", rule.rule) if rule.endpoint.startswith(OPERATORS) else path_of(rule, first)
        answer = stranger.open(path, method=method)
        assert answer.status_code == 302, f"{method} {rule.rule}: {answer.status}"
        assert answer.headers["Location"].partition("?")[0] == "/sign-in"
        fragment = stranger.open(path, method=method, headers={"HX-Request": "true"})
        assert fragment.headers["HX-Redirect"].partition("?")[0] == "/sign-in", rule.rule
        assert first.mark not in answer.text + fragment.text


def test_what_is_open_exists(app):
    assert {rule.endpoint for rule in app.url_map.iter_rules()} >= OPEN.keys() | CLOUD_OPEN


def test_the_machine_is_shown_to_operators_only(app, browser):
    for rule, method in calls(app):
        if rule.endpoint.startswith(OPERATORS):
            answer = browser.open(re.sub(r"<[^>]+>", "1", rule.rule), method=method)
            assert answer.status_code == 404, f"{method} {rule.rule}: {answer.status}"


def test_a_session_that_names_a_user_of_another_tenant_signs_nobody_in(app, first, second):
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["id"] = f"{first.merchant.tenant_id}:{second.merchant.user_id}:0", "of the tests"
    assert client.get("/documents/").headers["Location"].startswith("/sign-in")


def test_a_parameter_that_is_not_known_fails_the_walk(app, first):
    with pytest.raises(AssertionError, match="Say in KINDS"):
        path_of(Rule("/invoices/<int:id>", endpoint="invoices.show"), first)
    with pytest.raises(AssertionError, match="Say in KINDS"):
        path_of(Rule("/documents/<int:id>/lines/<int:position>", endpoint="documents.line"), first)


# The cloud


def test_no_call_of_the_cloud_shows_or_changes_what_is_a_neighbours(app, owner, first, second):
    client = app.test_client()
    form = {"grant_type": "client_credentials", "client_id": second.merchant.client_id}
    token = client.post("/cloud/oauth/token", data=form | {"client_secret": second.merchant.client_secret})
    headers = {"Authorization": f"Bearer {token.json['access_token']}"}
    before, tried = everything(owner, first), 0
    for rule, method in calls(app, cloud=True):
        if rule.endpoint in CLOUD_OPEN:
            continue
        body = {} if method in ("POST", "PUT", "PATCH") else None
        answer = client.open(path_of(rule, first), method=method, headers=headers, json=body)
        assert answer.status_code == 404 if rule.arguments else answer.status_code < 500, f"{method} {rule.rule}"
        assert first.mark not in answer.text or rule.arguments, rule.rule  # a refusal may repeat the address
        nobody = client.open(path_of(rule, first), method=method, json=body)
        assert nobody.status_code == 401, f"{method} {rule.rule}"
        tried += 1
    assert tried > 15
    assert everything(owner, first) == before
