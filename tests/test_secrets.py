"""Secrets at rest open only where they lie, and move to a new key without a word to anybody."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from portal import secrets
from portal.credentials.models import Credential
from portal.extensions import db

OLD = "old:" + base64.urlsafe_b64encode(b"o" * 32).decode()
NEW = "new:" + base64.urlsafe_b64encode(b"n" * 32).decode()


@pytest.fixture
def keys(app: Flask) -> Iterator[Flask]:
    before = app.config["KEYS"]
    yield app
    app.config["KEYS"] = before


@given(plain=st.text(), place=st.text(min_size=1))
def test_what_is_sealed_opens_in_its_place_and_in_no_other(plain: str, place: str) -> None:
    app = Flask(__name__)
    app.config["KEYS"] = OLD
    with app.app_context():
        sealed = secrets.seal(plain, place)
        assert secrets.unseal(sealed, place) == plain
        with pytest.raises(secrets.NotOpened):
            secrets.unseal(sealed, place + "/")


def test_the_same_secret_never_looks_the_same(keys: Flask) -> None:
    with keys.app_context():
        assert secrets.seal("secret", "here") != secrets.seal("secret", "here")
        assert b"secret" not in secrets.seal("secret", "here")


def test_reseal_moves_every_secret_to_the_first_key(keys: Flask, make_tenant, as_tenant) -> None:
    merchant = make_tenant()
    runner = keys.test_cli_runner()
    with as_tenant(merchant):
        first = keys.config["KEYS"]
        keys.config["KEYS"] = f"{NEW},{first}"
        before = bytes(db.session.get_one(Credential, merchant.credential_id).client_secret)
    answer = runner.invoke(args=["reseal"])
    assert answer.exit_code == 0, answer.output
    keys.config["KEYS"] = NEW  # the old key is gone
    with as_tenant(merchant):
        credential = db.session.get_one(Credential, merchant.credential_id)
        assert bytes(credential.client_secret) != before
        assert secrets.unseal(credential.client_secret, credential.secret_place) == merchant.client_secret
    keys.config["KEYS"] = f"{first},{NEW}"
    assert runner.invoke(args=["reseal"]).exit_code == 0  # back, for the other tests


def test_reseal_names_a_secret_that_no_key_opens_and_moves_the_others(keys: Flask, make_tenant, as_tenant) -> None:
    merchant, other = make_tenant(), make_tenant()
    with as_tenant(merchant):
        credential = db.session.get_one(Credential, merchant.credential_id)
        place, kept = credential.secret_place, bytes(credential.client_secret)
        credential.client_secret = b"\x03abc" + kept
        db.session.commit()
    first = keys.config["KEYS"]
    keys.config["KEYS"] = f"{NEW},{first}"
    answer = keys.test_cli_runner().invoke(args=["reseal"])
    assert answer.exit_code == 1
    assert place in answer.output
    with as_tenant(other):
        assert secrets.sealed_with_current_key(db.session.get_one(Credential, other.credential_id).client_secret)
    with as_tenant(merchant):
        db.session.get_one(Credential, merchant.credential_id).client_secret = kept
        db.session.commit()
    keys.config["KEYS"] = f"{first},{NEW}"
    assert keys.test_cli_runner().invoke(args=["reseal"]).exit_code == 0  # back, for the other tests


def test_without_a_key_nothing_is_stored_or_read(keys: Flask) -> None:
    keys.config["KEYS"] = ""
    with keys.app_context(), pytest.raises(secrets.Refused, match="KONTOR_KEYS"):
        secrets.seal(os.urandom(4).hex(), "here")
