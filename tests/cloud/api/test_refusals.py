"""What every call has in common: whom it is refused, which bodies it takes, how it says so (RFC 9457)."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from portal.cloud import accounts
from portal.cloud.api import OPEN, PROTECTED
from portal.config import MAX_BODY_BYTES
from tests.cloud.api.caller import ORDER, Caller, a_package, an_order, is_problem, new_caller

OPERATIONS = [
    operation
    for blueprint in (*PROTECTED, *OPEN)
    for operation in import_module(blueprint.import_name).OPERATIONS
    if not operation.open
]
KEY = "shipment-4711"
NAMED = [one for one in OPERATIONS if "<" in one.path]
WITH_BODY = [one for one in OPERATIONS if one.takes is not None]
BY_ID = {"ids": lambda operation: operation.id}

# A right body for each shape, so that nothing but what is tested can be the reason of a refusal.
BODIES = {
    "OrderLookUp": {"ids": [ORDER]},
    "NewWebhook": {"url": "http://127.0.0.1:9/", "secret": "0123456789abcdef"},
    "NewPlatform": {"kind": "amazon", "name": "Neu", "marketplaces": ["A1PA6795UKMFR9"]},
    "PlatformChange": {"name": "Neu"},
    "ConsentWish": {"return_url": "http://127.0.0.1:9/"},
    "Acknowledgement": {"orders": [{"id": ORDER, "version": "2026-11-01T12:00:00Z"}]},
    "NewStatusMessage": a_package(),
}


# What is refused changes nothing, so that one account serves all tests here.


@pytest.fixture(scope="module")
def caller(app) -> Caller:
    return new_caller(app, "Beispiel GmbH")


@pytest.fixture(scope="module")
def stranger(app) -> Caller:
    return new_caller(app, "Fremde GmbH")


@pytest.fixture(scope="module")
def reference(caller) -> str:
    """A platform with an order and a failed message: whatever an operation names is there."""
    reference = caller.connected()
    caller.receive(reference, an_order())
    headers = {"Idempotency-Key": KEY}
    made = caller.post(f"/v1/platforms/{reference}/status-messages", a_package(), headers=headers)
    assert made.status_code == 201, made.text
    return reference


def path_of(operation, reference: str) -> str:
    values = {"reference": reference, "order_id": ORDER, "key": KEY}
    return re.sub(r"<(\w+)>", lambda match: values[match[1]], operation.path)


def ask(caller, operation, reference: str, **request):
    request.setdefault("headers", {})["Idempotency-Key"] = "another-key"
    if operation.takes is not None and "data" not in request:
        request["json"] = BODIES[operation.takes.__name__]
    return caller.call(operation.method.upper(), path_of(operation, reference), **request)


def everything(caller, reference: str) -> list:
    """All that the account can see of what it has."""
    paths = ("", "/connection", "/orders", f"/orders/{ORDER}")
    seen = [caller.get(f"/v1/platforms/{reference}{path}").json for path in paths]
    return [*seen, caller.get(f"/v1/status-messages/{KEY}").json]


@pytest.mark.parametrize("operation", OPERATIONS, **BY_ID)
def test_without_a_token_nobody_is_let_in(app, caller, reference, operation):
    before = everything(caller, reference)
    answer = ask(caller, operation, reference, headers={"Authorization": ""})
    is_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="kontor"'
    assert everything(caller, reference) == before


@pytest.mark.parametrize("operation", NAMED, **BY_ID)
def test_what_is_another_accounts_is_not_there(caller, stranger, reference, operation):
    before = everything(caller, reference)
    foreign = is_problem(ask(stranger, operation, reference), 404)
    assert everything(caller, reference) == before
    nobodys = is_problem(ask(stranger, operation, "NOBODYS"), 404)
    assert foreign == nobodys


@pytest.mark.parametrize("reference", ["x" * 61, "%00", "a%00b", "%FF", "a b", "ä", "..", "%2e%2e", "'"])
def test_what_cannot_be_a_reference_is_not_there(caller, reference):
    is_problem(caller.get(f"/v1/platforms/{reference}/orders"), 404)
    is_problem(caller.get(f"/v1/platforms/{reference}"), 404)


@pytest.mark.parametrize("operation", WITH_BODY, **BY_ID)
@pytest.mark.parametrize(
    "body",
    [b"{", b"nonsense", b"{'a': 1}", b'{"a": 1} x', b"\xff\xfe", b'{"a": "\xff"}', b'{"name": "\\ud800"}', b"\0"],
)
def test_a_body_that_is_no_json(caller, reference, operation, body):
    is_problem(ask(caller, operation, reference, data=body, content_type="application/json"), 400)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"name":[', b'{"orders":[', b'{"items":[{"reference":'])
@pytest.mark.parametrize("operation", WITH_BODY, **BY_ID)
def test_a_body_nested_without_end(caller, reference, operation, opening):
    for depth in (500, 100_000):
        body = opening * depth
        answer = ask(caller, operation, reference, data=body, content_type="application/json")
        is_problem(answer, 400)


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"', b"true"])
@pytest.mark.parametrize("operation", WITH_BODY, **BY_ID)
def test_a_body_of_another_kind(caller, reference, operation, body):
    is_problem(ask(caller, operation, reference, data=body, content_type="application/json"), 422, "body")


@pytest.mark.parametrize("operation", WITH_BODY, **BY_ID)
@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/xml", "\xe4"]
)
def test_a_body_of_an_unknown_content_type(caller, reference, operation, kind):
    is_problem(ask(caller, operation, reference, data=b"{}", content_type=kind), 415)


def test_the_content_type_may_name_its_charset(caller):
    body = b'{"kind": "amazon", "name": "Neu", "marketplaces": ["A1PA6795UKMFR9"]}'
    answer = caller.post("/v1/platforms", data=body, content_type="application/json; charset=utf-8")
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("operation", WITH_BODY, **BY_ID)
def test_a_body_that_is_too_large(caller, reference, operation):
    body = b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}'
    is_problem(ask(caller, operation, reference, data=body, content_type="application/json"), 413)


def test_a_token_request_that_is_too_large(app):
    answer = app.test_client().post("/cloud/oauth/token", data={"client_id": "x" * MAX_BODY_BYTES})
    is_problem(answer, 413)


def test_a_body_that_is_missing_where_one_is_needed(caller, reference):
    for operation in WITH_BODY:
        if operation.body_required:
            answer = ask(caller, operation, reference, data=b"", content_type="application/json")
            is_problem(answer, 400)


def test_what_was_sent_is_not_sent_back_at_length(caller):
    answer = caller.post("/v1/platforms", {"x" * 100_000: 1})
    assert answer.status_code == 422
    assert len(answer.data) < 1000


def test_a_surprising_field_is_named_whatever_its_name(caller):
    for name in ("`", "a`b", "\0", "`$.x`", " - at `$.name`", ""):
        answer = caller.post("/v1/platforms", BODIES["NewPlatform"] | {name: 1})
        assert answer.status_code == 422, answer.text
        assert len(answer.get_json(force=True)["errors"]) == 1


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v2/account", "/v1/platforms/", "/v1/account/"])
def test_an_address_there_is_not(caller, path):
    is_problem(caller.get(path), 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_method_there_is_not(caller, method):
    answer = caller.call(method, "/v1/platforms")
    is_problem(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))


def test_every_answer_has_an_id_of_its_own(caller):
    ids = {caller.get("/v1/account").headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


def test_the_id_stands_in_the_log(caller):
    assert caller.token
    with capture_logs([merge_contextvars]) as lines:
        request_id = caller.get("/v1/account").headers["X-Request-Id"]
    (line,) = [line for line in lines if line["event"] == "cloud_answered"]
    assert (line["request"], line["account"], line["status"]) == (request_id, caller.account_id, 200)
    assert caller.token not in str(lines)


def test_nothing_of_the_api_is_kept_in_a_cache(caller):
    assert caller.get("/v1/account").headers["Cache-Control"] == "no-store"


def test_no_call_of_the_api_sets_a_cookie(caller):
    assert "Set-Cookie" not in caller.get("/v1/account").headers


def test_an_account_leaves_nothing_in_sight_for_the_next_call(app, caller, stranger, reference):
    """One browser, one thread, two accounts: scope ends with the request."""
    for who, sees in ((caller, True), (stranger, False), (caller, True)):
        headers = {"Authorization": f"Bearer {who.token}"}
        seen = app.test_client().get("/cloud/v1/platforms", headers=headers).json
        assert (reference in [platform["reference"] for platform in seen]) == sees


def test_what_breaks_unexpectedly_is_said_without_details(app, caller, monkeypatch):
    def broken(account_id: int) -> None:
        raise RuntimeError("the secret inside")

    assert caller.token
    monkeypatch.setattr(accounts, "own_account", broken)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    answer = caller.get("/v1/account")
    is_problem(answer, 500)
    assert "secret inside" not in answer.text
