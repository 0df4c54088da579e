"""Keep credentials, and find out whether they open what they should."""

from __future__ import annotations

import secrets as random
from datetime import UTC, datetime

import structlog
from flask import current_app
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from portal import secrets
from portal.credentials.cloud import Cloud, NotAccepted
from portal.credentials.models import Credential, Kind
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.scope import current_tenant_id
from portal.sentences import kept

log = structlog.get_logger()


class NameTaken(Refused):
    """Another credential of the tenant bears this name."""

    field = "name"


class SecretNeeded(Refused):
    """The kept secret was given for another address or client."""

    field = "client_secret"


class InUse(Refused):
    """Platforms still use the credential."""


def create_credential(
    name: str, address: str, client_id: str, client_secret: str, kind: Kind = Kind.CLOUD
) -> Credential:
    """Keep a new credential, its secret sealed. `address` is checked already. Raises NameTaken."""
    credential = db.session.scalar(
        insert(Credential)
        .values(tenant_id=current_tenant_id(), kind=kind, name=name, address=address, client_id=client_id)
        .on_conflict_do_nothing()
        .returning(Credential)
    )
    if credential is None:
        raise _name_taken(name)
    # The seal is bound to the row's id, which is known only now.
    credential.client_secret = secrets.seal(client_secret, credential.secret_place)
    db.session.flush()
    return credential


def update_credential(credential: Credential, name: str, address: str, client_id: str, client_secret: str) -> None:
    """Change a credential; an empty secret leaves the kept one, which goes to no other address or client.

    Raises SecretNeeded and NameTaken; nothing is changed then. What was tested is another thing now, so the last
    result goes, and so does the secret of the events of a cloud that is left.
    """
    moved = (credential.address, credential.client_id) != (address, client_id)
    if moved and not client_secret:
        raise SecretNeeded(
            _("Enter the secret too: the kept one goes only to the address and the client it was entered for.")
        )
    try:
        with db.session.begin_nested():
            credential.name, credential.address, credential.client_id = name, address, client_id
            if client_secret:
                credential.client_secret = secrets.seal(client_secret, credential.secret_place)
                credential.tested_at = credential.test_problem = None
            if moved:
                credential.webhook_secret = None
    except IntegrityError as error:
        raise _name_taken(name) from error


def delete_credential(credential: Credential, platforms: int) -> None:
    """Remove a credential that none of the tenant's `platforms` uses. Raises InUse."""
    if platforms:
        raise InUse(
            ngettext(
                "%(num)d platform uses this credential, so it cannot be removed.",
                "%(num)d platforms use this credential, so it cannot be removed.",
                platforms,
            )
        )
    db.session.delete(credential)
    db.session.flush()


def test(credential: Credential) -> None:
    """Ask the cloud for a token and the account, and keep what came of it on the credential."""
    credential.tested_at = datetime.now(UTC)
    try:
        Cloud.of(credential).test()
        register_webhook(credential)
    except (Refused, Unavailable) as problem:
        credential.test_problem = kept(problem)
    else:
        credential.test_problem = None
    db.session.flush()


def register_webhook(credential: Credential) -> None:
    """Tell the cloud where its events go. Repeated at each test and connect, so that a moved portal is found.

    A cloud elsewhere calls no portal in a private network: that one asks by itself, as its tasks say.
    """
    if credential.webhook_secret is None:
        credential.webhook_secret = secrets.seal(random.token_urlsafe(32), credential.webhook_place)
    url = f"{current_app.config['PUBLIC_URL']}/events/cloud/{credential.id}"
    try:
        Cloud.of(credential).set_webhook(url, secrets.unseal(credential.webhook_secret, credential.webhook_place))
    except NotAccepted as refused:
        log.info("webhook_not_accepted", credential_id=credential.id, problem=str(refused))


def _name_taken(name: str) -> NameTaken:
    return NameTaken(_("There is already a credential called “%(name)s”.", name=name))
