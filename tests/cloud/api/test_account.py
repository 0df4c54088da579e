"""The account, and its address for events."""

from __future__ import annotations

import pytest

from portal.cloud import accounts
from portal.secrets import unseal
from tests.cloud.api.caller import is_problem

SECRET = "0123456789abcdef"


def test_the_account_tells_who_it_is(caller):
    answer = caller.get("/v1/account")
    assert answer.json == {"name": "Beispiel GmbH", "client_id": caller.client_id}


def test_there_is_no_webhook_at_first(caller):
    is_problem(caller.get("/v1/webhook"), 404)


def test_a_webhook_is_set_changed_and_removed(caller):
    for url in ("http://127.0.0.1:9/events", "https://erp.example.com/kontor?tenant=3"):
        answer = caller.put("/v1/webhook", {"url": url, "secret": SECRET})
        assert (answer.status_code, answer.data) == (204, b"")
        assert caller.get("/v1/webhook").json == {"url": url}
    assert caller.delete("/v1/webhook").status_code == 204
    is_problem(caller.get("/v1/webhook"), 404)
    assert caller.delete("/v1/webhook").status_code == 204


def test_the_webhooks_secret_is_sealed_and_never_told(caller):
    caller.put("/v1/webhook", {"url": "http://127.0.0.1:9/", "secret": SECRET})
    assert SECRET not in caller.get("/v1/webhook").text
    with caller.rows():
        row = accounts.own_account(caller.account_id)
        assert SECRET.encode() not in row.webhook_secret
        assert unseal(row.webhook_secret, row.webhook_place) == SECRET


def test_a_stranger_has_a_webhook_of_its_own(caller, stranger):
    caller.put("/v1/webhook", {"url": "http://127.0.0.1:9/", "secret": SECRET})
    is_problem(stranger.get("/v1/webhook"), 404)
    stranger.delete("/v1/webhook")
    assert caller.get("/v1/webhook").status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com",
        "http://",
        "http:///path",
        "http://user:password@example.com/",
        "http://example.com/a b",
        "http://example.com/\n",
        "http://exa\0mple.com/",
        "http://example.com:0/",
        "http://example.com:99999999/",
        "http://example.com\\@evil.example/",
        "https://" + "a" * 2000 + ".example/",
    ],
)
def test_an_address_must_be_http(caller, url):
    is_problem(caller.put("/v1/webhook", {"url": url, "secret": SECRET}), 422, "url")
    is_problem(caller.get("/v1/webhook"), 404)


@pytest.mark.parametrize(
    "secret", ["", "short", "x" * 201, "with spaces in between", "with a line\nbreak 1234", None, 5]
)
def test_a_secret_must_be_one(caller, secret):
    is_problem(caller.put("/v1/webhook", {"url": "http://127.0.0.1:9/", "secret": secret}), 422, "secret")
