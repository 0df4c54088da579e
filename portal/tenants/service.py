"""Tenants and their users: made, let in, changed, removed."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import current_app
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import Sequence, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from portal.credentials.service import create_credential
from portal.errors import Refused
from portal.extensions import db
from portal.listings.models import ListView
from portal.scope import current_tenant_id, tenant
from portal.tenants.defaults import add_defaults
from portal.tenants.models import Role, SignInLink, Tenant, User
from portal.tenants.passwords import hash_password, needs_rehash, password_fits

LINK_HOURS = 72  # long enough to be sent on a Friday
FIRST_RUN_LOCK = 72  # the key of the lock that lets one first run through


class NumberTaken(Refused):
    """Another tenant has this customer number."""

    field = "customer_number"


class EmailTaken(Refused):
    """Another user, of whichever tenant, signs in with this e-mail address."""

    field = "email"


class LastAdmin(Refused):
    """Without this user nobody could change credentials, platforms and users."""


class LinkRefused(Refused):
    """A sign-in link that signs nobody in: used, expired, or never given out."""


@dataclass(frozen=True)
class NewTenant:
    """A tenant that was just made. The client secret is told here and never again."""

    tenant_id: int
    user_id: int
    credential_id: int
    client_id: str
    client_secret: str


def has_tenants() -> bool:
    """False until the first run is done."""
    return bool(db.session.scalar(text("SELECT portal_has_tenants()")))


def create_first_tenant(
    name: str, customer_number: str, time_zone: str, user_name: str, email: str, password: str
) -> NewTenant:
    """The tenant of the first run; its user is an operator. Raises Refused where there is a tenant already."""
    # Two browsers on the first-run page: the second waits here, then finds the first one's tenant.
    db.session.execute(select(func.pg_advisory_xact_lock(FIRST_RUN_LOCK)))
    if has_tenants():
        raise Refused(_("Kontor is set up already. Sign in."))
    return create_tenant(name, customer_number, time_zone, user_name, email, password, Role.OPERATOR)


def create_tenant(
    name: str,
    customer_number: str,
    time_zone: str,
    user_name: str,
    email: str,
    password: str | None,
    role: Role | str = Role.ADMIN,
) -> NewTenant:
    """A tenant with its first user, the usual settings, an account at our cloud and the credential for it.

    Without a password the user needs a sign-in link. Raises NumberTaken, EmailTaken.
    """
    # The row policy compares the id, so it has to be in scope before the row is written.
    tenant_id: int = db.session.scalar(Sequence("tenant_id_seq"))
    with tenant(tenant_id):
        made = db.session.scalar(
            insert(Tenant)
            .values(
                id=tenant_id,
                name=name,
                customer_number=customer_number,
                time_zone=time_zone,
                language=str(get_locale() or "en"),
            )
            .on_conflict_do_nothing()
            .returning(Tenant.id)
        )
        if made is None:
            raise NumberTaken(_("Another tenant has the customer number %(number)s.", number=customer_number))
        user = create_user(user_name, email, Role(role), password)
        add_defaults()
        client_id, client_secret = _create_cloud_account(name)
        credential = create_credential(_("Kontor cloud"), current_app.config["CLOUD_URL"], client_id, client_secret)
        return NewTenant(tenant_id, user.id, credential.id, client_id, client_secret)


def create_user(name: str, email: str, role: Role, password: str | None = None) -> User:
    """A user of the tenant in scope. Raises EmailTaken."""
    user: User | None = db.session.scalar(
        insert(User)
        .values(
            tenant_id=current_tenant_id(),
            name=name,
            email=email,
            role=role,
            password_hash=hash_password(password) if password else None,
        )
        .on_conflict_do_nothing()
        .returning(User)
    )
    if user is None:
        raise EmailTaken(_("Somebody signs in with this e-mail address already."))
    return user


def find_user(email: str) -> User | None:
    """The user of whichever tenant who signs in with this e-mail address."""
    found = db.session.execute(text("SELECT * FROM portal_find_user(:email)"), {"email": email}).one_or_none()
    if found is None:
        return None
    with tenant(found.tenant_id):
        return db.session.get_one(User, found.user_id)


def authenticate(email: str, password: str) -> User | None:
    """The user with this e-mail address and password. An unknown address takes as long as a wrong password."""
    user = find_user(email)
    if user is None:
        password_fits(password, None)
        return None
    with tenant(user.tenant_id):
        if not password_fits(password, user.password_hash):
            return None
        if needs_rehash(str(user.password_hash)):
            user.password_hash = hash_password(password)
            db.session.flush()
        return user


def lock(user: User) -> None:
    """Read the user anew, locked: whoever sets a password at the same moment comes after us, or came before."""
    db.session.refresh(user, with_for_update={"of": User})


def end_session(user: User, session: str, seconds: float) -> None:
    """Let nobody in by this session of the user's any more, whose last cookie is good for so long."""
    lock(user)
    now = time.time()
    ended = {id: until for id, until in user.ended_sessions.items() if until > now}
    user.ended_sessions = ended | {session: now + seconds}
    db.session.flush()


def set_password(user: User, password: str) -> None:
    """Give the user a new password. Whoever came in by the old one, or by a link, is out."""
    user.password_hash = hash_password(password)
    user.passwords_set += 1
    _expire_links(user)
    db.session.flush()


def create_sign_in_link(user: User, hours: float = LINK_HOURS) -> str:
    """The address of a link that signs the user in, once, within so many hours. Only its hash is kept.

    It takes the place of the links before it.
    """
    _expire_links(user)
    token = secrets.token_urlsafe(32)
    db.session.add(
        SignInLink(
            token_hash=_hash(token),
            tenant_id=user.tenant_id,
            user_id=user.id,
            expires_at=datetime.now(UTC) + timedelta(hours=hours),
        )
    )
    db.session.flush()
    return f"{current_app.config['PUBLIC_URL']}/sign-in/{token}"


def check_sign_in_link(token: str) -> User:
    """Whom the link would sign in. Raises LinkRefused; uses nothing up."""
    with tenant(_tenant_of_link(token)):
        link = db.session.get_one(SignInLink, _hash(token))
        if link.used_at is not None:
            raise LinkRefused(_("This link was used already. It works once; ask for a new one."))
        if link.expires_at <= datetime.now(UTC):
            raise LinkRefused(_("This link has expired. Ask for a new one."))
        return db.session.get_one(User, link.user_id)


def use_sign_in_link(token: str) -> User:
    """Whom the link signs in, used up by that. Of two at once, one is refused. Raises LinkRefused."""
    user = check_sign_in_link(token)
    with tenant(user.tenant_id):
        used = db.session.execute(
            update(SignInLink)
            .where(SignInLink.token_hash == _hash(token), SignInLink.used_at.is_(None))
            .values(used_at=datetime.now(UTC))
        )
    if not used.rowcount:
        raise LinkRefused(_("This link was used already. It works once; ask for a new one."))
    return user


def change_role(user: User, role: Role) -> None:
    """Give the user another role. Raises LastAdmin."""
    if not _is_admin(role):
        _require_another_admin(user)
    user.role = role
    db.session.flush()


def remove_user(user: User) -> None:
    """Remove the user; his open pages ask to sign in at their next step. Raises LastAdmin.

    The views of lists that he shared stay with the company, those he kept for himself go.
    """
    _require_another_admin(user)
    db.session.execute(delete(ListView).where(ListView.user_id == user.id, ListView.shared.is_(False)))
    db.session.execute(delete(SignInLink).where(SignInLink.user_id == user.id))
    db.session.delete(user)
    db.session.flush()


def _expire_links(user: User) -> None:
    now = datetime.now(UTC)
    links = update(SignInLink).where(SignInLink.user_id == user.id, SignInLink.expires_at > now)
    db.session.execute(links.values(expires_at=now), execution_options={"synchronize_session": False})


def _create_cloud_account(name: str) -> tuple[str, str]:
    # The provider's act of opening an account for a customer, not a use of the cloud's API: the
    # one place of the portal that calls into the cloud's package.
    from portal.cloud.accounts import create_account

    _account, client_id, client_secret = create_account(name)
    return client_id, client_secret


def _tenant_of_link(token: str) -> int:
    tenant_id: int | None = db.session.scalar(text("SELECT portal_find_sign_in_link(:hash)"), {"hash": _hash(token)})
    if tenant_id is None:
        raise LinkRefused(_("This link is not known. Check that the address was copied whole."))
    return tenant_id


def _require_another_admin(user: User) -> None:
    # Locked, so that two admins cannot remove each other at the same moment.
    admins = db.session.scalars(
        select(User.id).where(User.role.in_((Role.ADMIN, Role.OPERATOR))).order_by(User.id).with_for_update()
    ).all()
    if _is_admin(user.role) and list(admins) == [user.id]:
        raise LastAdmin(_("This is the last administrator. Make somebody else one first."))


def _is_admin(role: Role) -> bool:
    return role in (Role.ADMIN, Role.OPERATOR)


def _hash(token: str) -> str:
    """SHA-256 is enough for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(token.encode()).hexdigest()
