"""Tokens: client credentials against a bearer token of an hour (RFC 6749, sections 4.4 and 5; RFC 6750)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from portal.cloud import accounts, tokens
from portal.cloud.api import oauth
from portal.cloud.models import AccessToken
from portal.extensions import db
from tests.cloud.api.caller import is_problem

TOKEN = "/cloud/oauth/token"


def basic(client_id: str, client_secret: str) -> dict[str, str]:
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def form(caller, **changes) -> dict[str, str]:
    values = {
        "grant_type": "client_credentials",
        "client_id": caller.client_id,
        "client_secret": caller.client_secret,
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def is_refused(answer, status: int, error: str) -> dict[str, str]:
    """RFC 6749, section 5.2."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    assert answer.json["error"] == error, answer.json
    return answer.json


def test_by_basic(app, caller):
    answer = app.test_client().post(
        TOKEN, data={"grant_type": "client_credentials"}, headers=basic(caller.client_id, caller.client_secret)
    )
    assert answer.status_code == 200, answer.text
    assert answer.json["token_type"] == "Bearer"
    assert (answer.json["expires_in"], answer.json["scope"]) == (3600, "cloud")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert app.test_client().get("/cloud/v1/account", headers=headers).json["client_id"] == caller.client_id


def test_by_post(app, caller):
    answer = app.test_client().post(TOKEN, data=form(caller, scope="cloud"))
    assert answer.status_code == 200, answer.text
    assert len(answer.json["access_token"]) >= 43


def test_each_token_is_another(app, caller):
    both = {app.test_client().post(TOKEN, data=form(caller)).json["access_token"] for _ in range(2)}
    assert len(both) == 2


def test_a_wrong_secret(app, caller):
    said = is_refused(app.test_client().post(TOKEN, data=form(caller, client_secret="no")), 401, "invalid_client")
    assert said["error_description"].startswith("Wrong secret")


def test_a_wrong_secret_by_basic_is_asked_for_again(app, caller):
    answer = app.test_client().post(
        TOKEN, data={"grant_type": "client_credentials"}, headers=basic(caller.client_id, "no")
    )
    is_refused(answer, 401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_an_unknown_client(app, caller):
    said = is_refused(app.test_client().post(TOKEN, data=form(caller, client_id="kontor-0")), 401, "invalid_client")
    assert said["error_description"].startswith("Unknown client")


def test_a_wrong_grant(app, caller):
    is_refused(app.test_client().post(TOKEN, data=form(caller, grant_type="password")), 400, "unsupported_grant_type")


def test_no_grant(app, caller):
    answer = app.test_client().post(TOKEN, data=form(caller, grant_type=None))
    assert answer.status_code == 400 and answer.json["error"] in ("unsupported_grant_type", "invalid_request")


def test_a_scope_there_is_not(app, caller):
    is_refused(app.test_client().post(TOKEN, data=form(caller, scope="everything")), 400, "invalid_scope")


@pytest.mark.parametrize(
    "headers",
    [
        basic("a\0b", "c"),
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Basic"},
        {"Authorization": "\xe4\xf6"},
    ],
    ids=["nul", "no-utf8", "no-base64", "no-colon", "empty", "latin"],
)
def test_garbage_for_a_client_is_an_unknown_client(app, headers):
    answer = app.test_client().post(TOKEN, data={"grant_type": "client_credentials"}, headers=headers)
    is_refused(answer, 401, "invalid_client")


def test_nul_in_the_form_is_an_unknown_client(app, caller):
    is_refused(app.test_client().post(TOKEN, data=form(caller, client_id="a\0b")), 401, "invalid_client")
    is_refused(app.test_client().post(TOKEN, data=form(caller, client_secret="a\0b")), 401, "invalid_client")


def test_the_table_holds_hashes_only(caller):
    token = caller.token
    with caller.rows():
        row = db.session.scalars(db.select(AccessToken)).one()
        assert row.token_hash == accounts.hash_of(token)
        assert token not in str(vars(row))


def test_the_secret_is_a_hash_too(caller):
    with caller.rows():
        row = accounts.own_account(caller.account_id)
        assert row.client_secret_hash == accounts.hash_of(caller.client_secret)
        assert caller.client_secret not in str(vars(row))


def test_an_expired_token_is_refused(app, caller):
    token = caller.token  # not used yet, so no process trusts it
    with caller.rows():
        row = db.session.scalars(db.select(AccessToken)).one()
        row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    answer = app.test_client().get("/cloud/v1/account", headers={"Authorization": f"Bearer {token}"})
    is_problem(answer, 401)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_trusted_token_expires_all_the_same(app, caller, monkeypatch):
    monkeypatch.setattr(tokens, "TOKEN_SECONDS", 0)
    is_problem(caller.get("/v1/account"), 401)
    is_problem(caller.get("/v1/account"), 401)


def test_the_next_token_sweeps_out_the_dead_ones(caller):
    assert caller.token
    with caller.rows():
        db.session.scalars(db.select(AccessToken)).one().expires_at = datetime.now(UTC) - timedelta(days=1)
    caller._token = ""
    assert caller.token
    with caller.rows():
        assert len(db.session.scalars(db.select(AccessToken)).all()) == 1


def test_a_new_secret_withdraws_token_and_secret(app, caller):
    token = caller.token
    with app.app_context():
        secret = accounts.new_secret(caller.account_id)
        db.session.commit()
    answer = app.test_client().get("/cloud/v1/account", headers={"Authorization": f"Bearer {token}"})
    is_problem(answer, 401)
    is_refused(app.test_client().post(TOKEN, data=form(caller)), 401, "invalid_client")
    assert app.test_client().post(TOKEN, data=form(caller, client_secret=secret)).status_code == 200


def test_a_withdrawn_token_is_trusted_for_a_moment_and_no_longer(app, caller, monkeypatch):
    assert caller.get("/v1/account").status_code == 200
    with app.app_context():
        accounts.new_secret(caller.account_id)
        db.session.commit()
    assert caller.get("/v1/account").status_code == 200
    monkeypatch.setattr(tokens, "TRUST_SECONDS", 0)
    is_problem(caller.get("/v1/account"), 401)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Token abc", "Bearer \xe4\0"]
)
def test_no_token_or_none_of_ours(app, header):
    headers = {} if header is None else {"Authorization": header}
    answer = app.test_client().get("/cloud/v1/account", headers=headers)
    is_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_client_in_a_loop_is_slowed_down_and_the_others_are_not(app, caller, stranger):
    most = int(oauth.PER_CLIENT.partition("/")[0])
    browser = app.test_client()
    answers = [browser.post(TOKEN, data=form(caller, client_secret="no")) for _ in range(most + 1)]
    assert {answer.status_code for answer in answers[:most]} == {401}
    is_problem(answers[most], 429)
    assert int(answers[most].headers["Retry-After"]) > 0
    assert browser.post(TOKEN, data=form(stranger)).status_code == 200
