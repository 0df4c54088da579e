"""Whose session it is: the signed-in user, the tenant in scope, language and time zone."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from flask import Flask, Response, current_app, g, redirect, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, get_timezone, get_translations, refresh
from flask_babel import gettext as _
from flask_login import LoginManager, current_user, login_user, logout_user
from htmx_flask import make_response, request
from sqlalchemy.orm import joinedload

from portal.extensions import db
from portal.scope import tenant
from portal.tenants import service
from portal.tenants.models import Tenant, User

LANGUAGES = {"en": "English", "de": "Deutsch"}
FORGOTTEN_SECONDS = 3600
ID = "id"  # of the session, in its cookie


@dataclass(frozen=True)
class Reader:
    """For whom a page is written."""

    language: str
    zone: tzinfo
    translations: Any


def init_app(app: Flask, login: LoginManager) -> None:
    login.init_app(app)
    login.user_loader(_load_user)
    login.unauthorized_handler(_ask_to_sign_in)
    app.before_request(_open_scope)
    app.teardown_request(_close_scope)


def begin(user: User, by_link: bool = False) -> None:
    """Sign the user in: a new session, of which nothing was known before, and his tenant in scope.

    Who came by a link may set a password for the next hour without telling the present one: he has forgotten it.
    """
    language = cookie.get("language")
    end()
    if language in LANGUAGES:
        cookie["language"] = language
    cookie[ID] = secrets.token_urlsafe(16)
    cookie.permanent = True  # ends after PERMANENT_SESSION_LIFETIME, not with the last window
    if by_link:
        cookie["forgotten_until"] = time.time() + FORGOTTEN_SECONDS
    login_user(user)
    g.scope = tenant(user.tenant_id)
    g.scope.__enter__()
    read_by_another()


def knows_password() -> bool:
    """False for who has none yet, or has just come by a link instead of it."""
    return current_user.password_hash is not None and time.time() > cookie.get("forgotten_until", 0)


def end() -> None:
    """Sign out: whatever the session held is gone, and a copy of its cookie opens nothing."""
    if current_user.is_authenticated:
        seconds = current_app.permanent_session_lifetime.total_seconds()
        service.end_session(current_user._get_current_object(), cookie[ID], seconds)
    logout_user()
    cookie.clear()
    scope = g.pop("scope", None)
    if scope is not None:
        db.session.flush()
        scope.__exit__(None, None, None)


def locale() -> str:
    """The user's language, else the one chosen before signing in, else the browser's best."""
    if current_user and current_user.is_authenticated and current_user.language:
        return str(current_user.language)
    chosen = cookie.get("language") if request else None
    return chosen or (request.accept_languages.best_match(LANGUAGES) if request else None) or "en"


def time_zone() -> str | None:
    """The tenant's time zone, None outside of any."""
    if current_user and current_user.is_authenticated:
        return current_tenant().time_zone
    return None


def reader() -> Reader:
    """For whom this page is written: looked up once, since a list asks for it at each of its cells."""
    found: Reader | None = g.get("reader")
    if found is None:
        found = g.reader = Reader(str(get_locale()), get_timezone(), get_translations())
    return found


def read_by_another() -> None:
    """From here on the page is for someone else, or in another language."""
    g.pop("reader", None)
    refresh()


def current_tenant() -> Tenant:
    """The signed-in user's tenant."""
    found: Tenant = current_user.tenant
    return found


def _open_scope() -> None:
    """Put the tenant in scope that the signed session cookie names, before anything is read."""
    tenant_id = str(cookie.get("_user_id", "")).partition(":")[0]
    if tenant_id.isdigit() and not request.path.startswith("/cloud/"):
        g.scope = tenant(int(tenant_id))
        g.scope.__enter__()


def _close_scope(error: BaseException | None) -> None:
    scope = g.pop("scope", None)
    if scope is not None:
        db.session.rollback()
        scope.__exit__(None, None, None)


def _load_user(identity: str) -> User | None:
    _, user_id, *_ = [*identity.split(":"), ""]
    user = db.session.get(User, int(user_id), options=[joinedload(User.tenant)]) if user_id.isdigit() else None
    if user is None or user.get_id() != identity or cookie.get(ID) in {None, *user.ended_sessions}:
        return None
    return user


def _ask_to_sign_in() -> ResponseReturnValue:
    target = url_for("tenants.sign_in", next=request.full_path if request.method == "GET" else None)
    if request.htmx:
        answer: Response = make_response(_("Please sign in again."), redirect=target)
        return answer, 401
    return redirect(target)
