"""Whose rows a transaction may see: a tenant's (the portal) or an account's (the cloud).

PostgreSQL's row policies compare each row with these two settings, so a forgotten filter
shows nothing rather than a neighbour's data. They are set anew in each transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, SessionTransaction

from portal.extensions import db

_tenant: ContextVar[int | None] = ContextVar("tenant", default=None)
_account: ContextVar[int | None] = ContextVar("account", default=None)

SET_SCOPE = "SELECT set_config('app.tenant_id', %s, true), set_config('app.account_id', %s, true)"


@contextmanager
def tenant(tenant_id: int | None) -> Iterator[None]:
    """See this tenant's rows, and only these. None sees nothing."""
    with _scoped(_tenant, tenant_id):
        yield


@contextmanager
def account(account_id: int | None) -> Iterator[None]:
    """See this cloud account's rows, and only these. None sees nothing."""
    with _scoped(_account, account_id):
        yield


def current_tenant_id() -> int:
    """The tenant whose rows are in sight. Raises LookupError outside of any."""
    tenant_id = _tenant.get()
    if tenant_id is None:
        raise LookupError("No tenant is in scope.")
    return tenant_id


def current_account_id() -> int:
    """The account whose rows are in sight. Raises LookupError outside of any."""
    account_id = _account.get()
    if account_id is None:
        raise LookupError("No account is in scope.")
    return account_id


def scope_parameters() -> tuple[str, str]:
    """What SET_SCOPE takes, for those who drive a connection by hand."""
    return str(_tenant.get() or ""), str(_account.get() or "")


@contextmanager
def _scoped(variable: ContextVar[int | None], value: int | None) -> Iterator[None]:
    token = variable.set(value)
    _apply_to_open_transaction()
    try:
        yield
    except BaseException:
        variable.reset(token)
        # The transaction may be broken, with its connection or by an error; the next one begins with the scope anyway.
        with suppress(SQLAlchemyError):
            _apply_to_open_transaction()
        raise
    variable.reset(token)
    _apply_to_open_transaction()


def _apply_to_open_transaction() -> None:
    session = db.session()
    if session.in_transaction() and session.is_active:
        session.connection().exec_driver_sql(SET_SCOPE, scope_parameters())


@event.listens_for(Session, "after_begin")
def _set_scope(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    connection.exec_driver_sql(SET_SCOPE, scope_parameters())
