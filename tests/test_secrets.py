"""Secrets at rest open only where they lie, and move to a new key without a word to anybody."""

from __future__ import annotations

import base64
import os

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from portal import secrets
from portal.credentials.models import Credential
from portal.extensions import db
from portal.scope import tenant
from tests.conftest import merchant_of

OLD = "old:" + base64.urlsafe_b64encode(b"o" * 32).decode()
NEW = "new:" + base64.urlsafe_b64encode(b"n" * 32).decode()


@given(plain=st.text(), place=st.text(min_size=1))
def test_what_is_sealed_opens_in_its_place_and_in_no_other(plain: str, place: str) -> None:
    app = Flask(__name__)
    app.config["KEYS"] = OLD
    with app.app_context():
        sealed = secrets.seal(plain, place)
        assert secrets.unseal(sealed, place) == plain
        with pytest.raises(secrets.NotOpened):
            secrets.unseal(sealed, place + "/")


def test_the_same_secret_never_looks_the_same(app: Flask) -> None:
    with app.app_context():
        assert secrets.seal("secret", "here") != secrets.seal("secret", "here")
        assert b"secret" not in secrets.seal("secret", "here")


def with_keys(installation: Flask, keys: str) -> Flask:
    installation.config["KEYS"] = keys
    return installation


# Every secret of an installation is moved: theirs is one of its own, with few tenants.


def test_reseal_moves_every_secret_to_the_first_key(fresh: Flask) -> None:
    merchant, first = merchant_of(fresh), fresh.config["KEYS"]
    with fresh.app_context(), tenant(merchant.tenant_id):
        before = bytes(db.session.get_one(Credential, merchant.credential_id).client_secret)
    answer = with_keys(fresh, f"{NEW},{first}").test_cli_runner().invoke(args=["reseal"])
    assert answer.exit_code == 0, answer.output
    with with_keys(fresh, NEW).app_context(), tenant(merchant.tenant_id):  # the old key is gone
        credential = db.session.get_one(Credential, merchant.credential_id)
        assert bytes(credential.client_secret) != before
        assert secrets.unseal(credential.client_secret, credential.secret_place) == merchant.client_secret


def test_reseal_names_a_secret_that_no_key_opens_and_moves_the_others(fresh: Flask) -> None:
    merchant, other = merchant_of(fresh), merchant_of(fresh)
    with fresh.app_context(), tenant(merchant.tenant_id):
        credential = db.session.get_one(Credential, merchant.credential_id)
        place = credential.secret_place
        credential.client_secret = b"\x03abc" + bytes(credential.client_secret)
        db.session.commit()
    answer = with_keys(fresh, f"{NEW},{fresh.config['KEYS']}").test_cli_runner().invoke(args=["reseal"])
    assert answer.exit_code == 1
    assert place in answer.output
    with fresh.app_context(), tenant(other.tenant_id):
        assert secrets.sealed_with_current_key(db.session.get_one(Credential, other.credential_id).client_secret)


def test_without_a_key_nothing_is_stored_or_read(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "KEYS", "")
    with app.app_context(), pytest.raises(secrets.Refused, match="KONTOR_KEYS"):
        secrets.seal(os.urandom(4).hex(), "here")
