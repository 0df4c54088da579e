"""Tenants and the people who work for them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from flask_login import UserMixin
from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.addresses.matching import MatchRule
from portal.extensions import db


class Role(StrEnum):
    """What a user may do. Each may do what the one before may."""

    CLERK = "clerk"  # works with orders
    ADMIN = "admin"  # also changes credentials, platforms, users
    OPERATOR = "operator"  # also sees the machine: all tenants' jobs


class Tenant(db.Model):
    """A customer of the provider."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    customer_number: Mapped[str] = mapped_column(unique=True)
    time_zone: Mapped[str] = mapped_column(server_default="Europe/Berlin")
    # Of what leaves the portal: e-mails and the words in calls. Pages are in each user's own.
    language: Mapped[str] = mapped_column(server_default="en")
    match_rule: Mapped[MatchRule] = mapped_column(server_default=MatchRule.REFERENCE.value)
    runs_kept_days: Mapped[int] = mapped_column(server_default=text("90"))  # what automation did, and its messages
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class User(db.Model, UserMixin):
    """A person who signs in. The session names tenant and user, so both are loaded under the row policy.

    And how often a password was set: a session from before the last time is over. `ended_sessions` are those signed
    out that a copy of their cookie would still name, and until when (seconds since 1970).
    """

    __tablename__ = "app_user"  # "user" is a reserved word in SQL

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str | None]
    passwords_set: Mapped[int] = mapped_column(server_default=text("0"))
    ended_sessions: Mapped[dict[str, float]] = mapped_column(JSONB, server_default="{}")
    role: Mapped[Role] = mapped_column(server_default=Role.CLERK.value)
    language: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    tenant: Mapped[Tenant] = relationship()

    __table_args__ = (Index("uq_app_user_email", text("lower(email)"), unique=True),)

    def get_id(self) -> str:
        return f"{self.tenant_id}:{self.id}:{self.passwords_set}"

    def may(self, role: Role) -> bool:
        """True if the user's role is this one or a wider one."""
        order = list(Role)
        return order.index(self.role) >= order.index(role)


class SignInLink(db.Model):
    """A link that signs its user in, once. Only the token's hash is kept."""

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
