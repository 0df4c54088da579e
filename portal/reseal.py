"""`flask reseal`: after a new key has been put first in KONTOR_KEYS, every stored secret moves to it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select, text

from portal import secrets
from portal.cloud.models import Account, CloudPlatform
from portal.credentials.models import Credential
from portal.extensions import db
from portal.scope import account, tenant

# Each sealed column, with the property that names the place it is bound to.
OF_A_TENANT = ((Credential, "client_secret", "secret_place"), (Credential, "webhook_secret", "webhook_place"))
OF_AN_ACCOUNT = ((Account, "webhook_secret", "webhook_place"), (CloudPlatform, "refresh_token", "token_place"))


@click.command()
@with_appcontext
def reseal() -> None:
    """Seal every stored secret with the first key of KONTOR_KEYS. The older keys may go after that."""
    moved = 0
    for id in db.session.scalars(text("SELECT portal_tenant_ids()")).all():
        moved += _reseal(tenant(id), OF_A_TENANT)
    for id in db.session.scalars(text("SELECT cloud_account_ids()")).all():
        moved += _reseal(account(id), OF_AN_ACCOUNT)
    click.echo(f"{moved} secrets are sealed anew. No other key than the first of KONTOR_KEYS is needed now.")


def _reseal(scope: AbstractContextManager[None], columns: tuple[tuple[Any, str, str], ...]) -> int:
    """Reseal one owner's secrets in a transaction of its own, locked against a change at the same moment."""
    moved = 0
    with scope:
        for model, column, place in columns:
            for row in db.session.scalars(select(model).with_for_update()):
                sealed = getattr(row, column)
                if not sealed or secrets.sealed_with_current_key(sealed):
                    continue
                setattr(row, column, secrets.seal(secrets.unseal(sealed, getattr(row, place)), getattr(row, place)))
                moved += 1
        db.session.commit()
    return moved
