"""`flask reseal`: after a new key has been put first in KONTOR_KEYS, every stored secret moves to it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select, text

from portal import beside, secrets
from portal.automation.models import TaskAction
from portal.cloud.models import Account, CloudPlatform
from portal.credentials.models import Credential
from portal.extensions import db
from portal.scope import account, tenant

Columns = tuple[tuple[Any, str, str], ...]

# Each sealed column, with the property that names the place it is bound to.
OF_A_TENANT: Columns = (
    (Credential, "client_secret", "secret_place"),
    (Credential, "webhook_secret", "webhook_place"),
    (TaskAction, "secret", "secret_place"),
)
OF_AN_ACCOUNT: Columns = ((Account, "webhook_secret", "webhook_place"), (CloudPlatform, "refresh_token", "token_place"))


@click.command()
@with_appcontext
def reseal() -> None:
    """Seal every stored secret with the first key of KONTOR_KEYS. The older keys may go after that."""
    beside.join()
    moved, closed = 0, []
    scopes = [(tenant(id), OF_A_TENANT) for id in db.session.scalars(text("SELECT portal_tenant_ids()"))]
    scopes += [(account(id), OF_AN_ACCOUNT) for id in db.session.scalars(text("SELECT cloud_account_ids()"))]
    for scope, columns in scopes:
        of_owner, closed_of_owner = _reseal(scope, columns)
        moved += of_owner
        closed += closed_of_owner
    click.echo(f"{moved} secrets are sealed anew.")
    if closed:
        raise click.ClickException(
            "These could not be opened with any key of KONTOR_KEYS and stay as they are: " + ", ".join(closed)
        )
    click.echo("No other key than the first of KONTOR_KEYS is needed now.")


def _reseal(scope: AbstractContextManager[None], columns: Columns) -> tuple[int, list[str]]:
    """Reseal one owner's secrets in a transaction of its own, locked against a change at the same moment.

    Returns how many moved, and the places of those that no key of ours opens.
    """
    moved, closed = 0, []
    with scope:
        for model, column, place_of in columns:
            for row in db.session.scalars(select(model).with_for_update()):
                sealed, place = getattr(row, column), getattr(row, place_of)
                if not sealed or secrets.sealed_with_current_key(sealed):
                    continue
                try:
                    setattr(row, column, secrets.seal(secrets.unseal(sealed, place), place))
                    moved += 1
                except secrets.NotOpened:
                    closed.append(place)
        db.session.commit()
    return moved, closed
