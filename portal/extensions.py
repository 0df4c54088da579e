"""The instances that Flask's extensions share with the app. The only module-level state in Kontor."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from flask_babel import Babel, Domain, get_locale
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from htmx_flask import Htmx
from redis import Redis
from sqlalchemy import DateTime, Enum, MetaData
from sqlalchemy.orm import DeclarativeBase, registry

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Model(DeclarativeBase):
    """The base of every table: times with zone, enums as text, constraints with names."""

    metadata = METADATA
    registry = registry(
        metadata=METADATA,
        type_annotation_map={
            datetime: DateTime(timezone=True),
            StrEnum: Enum(
                StrEnum,
                native_enum=False,
                length=32,
                values_callable=lambda states: [state.value for state in states],
            ),
        },
    )


class Catalogs(Domain):
    """Knows the catalog of each locale by the locale: writing its name out was most of the cost of a sentence."""

    def __init__(self, domain: str) -> None:
        super().__init__(domain=domain)
        self._by_locale: dict[Any, Any] = {}

    def get_translations(self) -> Any:
        locale = get_locale()
        known = self._by_locale.get(locale)
        if known is None:
            known = super().get_translations()
            if locale is not None:
                self._by_locale[locale] = known
        return known


class QuickBabel(Babel):
    """Babel with Catalogs."""

    @cached_property
    def domain_instance(self) -> Catalogs:
        return Catalogs(self.domain)


db: Any = SQLAlchemy(model_class=Model)
migrate = Migrate()
csrf = CSRFProtect()
login = LoginManager()
babel = QuickBabel()
htmx = Htmx()


def network_of_caller() -> str:
    """Whose attempts are counted together: an IPv4 address, or the network that one customer has of IPv6 (a /64)."""
    told = get_remote_address()
    try:
        address = ip_address(told.partition("%")[0])
    except ValueError:  # a proxy's word for it
        return told
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))


limiter = Limiter(network_of_caller)


class RedisConnection:
    """The app's Redis, made on first use. JSON and text only: nothing unpickles what lies there."""

    def __init__(self) -> None:
        self._client: Redis | None = None

    def init_app(self, app: Any) -> None:
        self._client = Redis.from_url(app.config["REDIS_URL"], health_check_interval=30)
        app.extensions["redis"] = self._client


def redis() -> Redis:
    """The current app's Redis client."""
    from flask import current_app

    client: Redis = current_app.extensions["redis"]
    return client
