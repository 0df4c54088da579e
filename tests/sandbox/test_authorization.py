"""The consent page and Login with Amazon."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.patience import SECONDS
from tests.sandbox.client import APPLICATION_ID, CLIENT_ID, Sandbox

CALLBACK = "http://127.0.0.1:9/cloud/callback/amazon"
ORDERS = "/orders/2026-01-01/orders"


def consent_url(amazon: Sandbox, **parameters: str | None) -> str:
    given = {"application_id": APPLICATION_ID, "state": "s-1", "redirect_uri": CALLBACK} | parameters
    return f"{amazon.url}/apps/authorize/consent?" + urlencode({name: value for name, value in given.items() if value})


def code_of(amazon: Sandbox, seller: str | None = None) -> str:
    location = amazon.consent(consent_url(amazon), seller)
    assert location
    return parse_qs(urlsplit(location).query)["spapi_oauth_code"][0]


def test_a_confirmed_consent_comes_back_with_state_seller_and_code(amazon):
    seller = amazon.add_seller()
    location = amazon.consent(consent_url(amazon), seller)
    assert location.startswith(CALLBACK + "?")
    given = parse_qs(urlsplit(location).query)
    assert given["state"] == ["s-1"]
    assert given["selling_partner_id"] == [seller]
    granted = amazon.token(grant_type="authorization_code", code=given["spapi_oauth_code"][0], redirect_uri=CALLBACK)
    assert granted.status_code == 200
    assert granted.headers["Cache-Control"] == "no-store"
    answer = granted.json()
    assert answer["token_type"] == "bearer" and answer["expires_in"] == 3600
    assert answer["access_token"].startswith("Atza|") and answer["refresh_token"].startswith("Atzr|")


def test_a_refused_consent_sends_nobody_back(amazon):
    assert amazon.consent(consent_url(amazon), refuse=True) is None


def test_an_answered_page_cannot_be_answered_again(amazon):
    page = amazon.consent_page(consent_url(amazon))
    form = {"question": page.question, "digits": page.digits, "seller": page.sellers[0], "decision": "confirm"}
    answers = [
        requests.post(f"{amazon.url}/apps/authorize/consent", data=form, allow_redirects=False, timeout=SECONDS)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [302, 400]


def test_wrong_digits_give_no_access(amazon):
    page = amazon.consent_page(consent_url(amazon))
    wrong = f"{(int(page.digits) + 1) % 10**6:06}"
    form = {"question": page.question, "digits": wrong, "seller": page.sellers[0], "decision": "confirm"}
    answer = requests.post(f"{amazon.url}/apps/authorize/consent", data=form, allow_redirects=False, timeout=SECONDS)
    assert answer.status_code == 422
    assert "not the digits" in answer.text


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ({"redirect_uri": "https://elsewhere.example/callback"}, "MD5101"),
        ({"redirect_uri": None}, "MD5101"),
        ({"application_id": "amzn1.sp.solution.other"}, "no application"),
        ({"state": None}, "state is missing"),
    ],
)
def test_a_wrong_question_gets_an_error_page(amazon, parameters, shown):
    page = requests.get(consent_url(amazon, **parameters), timeout=SECONDS)
    assert page.status_code == 400
    assert shown in page.text


def test_a_draft_needs_version_beta(amazon):
    amazon.set(draft=True)
    assert "MD1000" in requests.get(consent_url(amazon), timeout=SECONDS).text
    assert amazon.consent(consent_url(amazon, version="beta"))


def test_a_registered_address_must_be_met_exactly_and_is_the_default(amazon):
    amazon.set(redirect_uris=["https://kontor.example/cloud/callback/amazon"])
    assert "MD5101" in requests.get(consent_url(amazon), timeout=SECONDS).text
    location = amazon.consent(consent_url(amazon, redirect_uri=None))
    assert location.startswith("https://kontor.example/cloud/callback/amazon?")


def test_a_code_is_good_once(amazon):
    code = code_of(amazon)
    assert amazon.token(grant_type="authorization_code", code=code).status_code == 200
    again = amazon.token(grant_type="authorization_code", code=code)
    assert again.status_code == 400
    assert again.json() == {
        "error": "invalid_grant",
        "error_description": "The request has an invalid grant parameter : code",
    }


def test_a_code_is_good_for_five_minutes_only(amazon):
    assert amazon.settings()["code_seconds"] == 300
    amazon.set(code_seconds=-1)
    late = amazon.token(grant_type="authorization_code", code=code_of(amazon))
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")


def test_a_code_belongs_to_its_redirect_uri(amazon):
    form = {"grant_type": "authorization_code", "code": code_of(amazon)}
    assert amazon.token(**form, redirect_uri="http://127.0.0.1:9/other").status_code == 400
    assert amazon.token(**form, redirect_uri=CALLBACK).status_code == 200


def test_a_refresh_token_lasts_until_the_seller_withdraws_it(amazon):
    seller = amazon.add_seller()
    refresh = amazon.authorize(seller)
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    assert amazon.token(**form).json()["refresh_token"] == refresh
    access = amazon.access_token(seller)
    assert amazon.revoke(seller) == 2
    refused = amazon.token(**form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert "User may have revoked or didn't grant the permission" in refused.json()["error_description"]
    call = amazon.api("GET", ORDERS, headers={"x-amz-access-token": access})
    assert call.status_code == 403
    assert "revoked" in call.json()["errors"][0]["details"]


def test_a_wrong_client_is_told_apart_from_a_wrong_grant(amazon):
    form = {"grant_type": "refresh_token", "refresh_token": amazon.authorize()}
    for wrong in ({"client_secret": "old"}, {"client_id": "other"}):
        answer = amazon.token(**form, **wrong)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    amazon.set(client_secrets=["new", "kontor-demo-secret"])
    assert amazon.token(**form, client_secret="new").status_code == 200
    assert amazon.token(**form).status_code == 200


def test_a_client_may_come_by_basic_authentication(amazon):
    form = {"grant_type": "refresh_token", "refresh_token": amazon.authorize()}
    client = (CLIENT_ID, "kontor-demo-secret")
    answer = requests.post(f"{amazon.url}/auth/o2/token", data=form, auth=client, timeout=SECONDS)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "Atzr|unknown"}, "invalid_grant"),
        ({"grant_type": "client_credentials", "scope": "sellingpartnerapi::orders"}, "invalid_scope"),
    ],
)
def test_a_wrong_token_request_says_what_is_wrong(amazon, form, error):
    answer = amazon.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_grantless_token_reads_no_orders(amazon):
    granted = amazon.token(grant_type="client_credentials", scope="sellingpartnerapi::notifications").json()
    assert "refresh_token" not in granted
    assert amazon.api("GET", ORDERS, headers={"x-amz-access-token": granted["access_token"]}).status_code == 403


@pytest.mark.parametrize(("token", "details"), [("", "missing"), ("Atza|made-up", "malformed"), (None, "expired")])
def test_a_call_without_a_valid_token_is_refused_in_amazons_words(amazon, token, details):
    token = amazon.access_token() if token is None else token
    amazon.set(access_token_seconds=-1)
    answer = amazon.api("GET", ORDERS, headers={"x-amz-access-token": token})
    assert answer.status_code == 403
    (error,) = answer.json()["errors"]
    assert error["code"] == "Unauthorized"
    assert error["message"] == "Access to requested resource is denied."
    assert details in error["details"]
    assert "x-amzn-RateLimit-Limit" not in answer.headers
    assert answer.headers["x-amzn-RequestId"]


@pytest.mark.parametrize("user_agent", [None, "x" * 501])
def test_a_user_agent_of_sensible_length_is_needed(amazon, user_agent):
    answer = amazon.api("GET", ORDERS, headers={"User-Agent": user_agent})
    assert answer.status_code == 400


def test_a_seller_withdraws_access_on_the_page(amazon):
    seller = amazon.add_seller("Widerruf & Söhne")
    refresh = amazon.authorize(seller)
    answer = requests.post(f"{amazon.url}/desk/sellers/{seller}/revocation", timeout=SECONDS)
    assert "Widerruf &amp; Söhne has withdrawn the access." in answer.text
    assert amazon.token(grant_type="refresh_token", refresh_token=refresh).status_code == 400
