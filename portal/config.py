"""Settings, read once from the environment. Nothing else in Kontor looks at it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

# A form or API body larger than this is refused (413). A held order's payload or a
# page of acknowledgements stays far below it.
MAX_BODY_BYTES = 4 * 1024 * 1024

# Milliseconds. Longer than any call to a cloud or marketplace that is made within a transaction.
IDLE_IN_TRANSACTION = 300_000

# Where a command that needs a database finds none.
NO_DATABASE = "postgresql://unset@127.0.0.1:1/unset"


def settings(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The app's configuration. Every value has a default, so that commands which need no server run bare."""
    public_url = environ.get("KONTOR_URL", "http://127.0.0.1:8000").rstrip("/")
    return {
        "DATA_FOLDER": Path(environ.get("KONTOR_DATA", "data")),
        "PUBLIC_URL": public_url,
        # Where this installation's own cloud answers: a new tenant's credential points there.
        "CLOUD_URL": environ.get("KONTOR_CLOUD_URL", public_url + "/cloud").rstrip("/"),
        # Besides the internet and this installation itself, where calls may go that its tenants name the address of.
        "PRIVATE_NETWORKS": networks(environ.get("KONTOR_PRIVATE_NETWORKS", "")),
        # A file of those whose certificates are trusted, of addresses that tenants name: as OpenSSL reads it.
        # One that is not there is passed by, as OpenSSL does: the variable may be the machine's, not ours.
        "CERTIFICATES": _existing(environ.get("SSL_CERT_FILE", "")),
        "SQLALCHEMY_DATABASE_URI": sqlalchemy_url(environ.get("DATABASE_URL", NO_DATABASE)),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_pre_ping": True,
            "hide_parameters": True,  # or an error that is logged tells of people
            "pool_size": 8,
            "max_overflow": 8,
            "connect_args": {
                # A process that freezes or is cut off in the middle of a transaction lets go of its locks.
                "options": f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION}",
                # Each statement is planned for the tenant it is for, in less than a millisecond. A prepared one
                # keeps the plan of whoever came first: one made for a tenant of a hundred documents cost
                # another with a million a third of a second, and the other way round.
                "prepare_threshold": None,
            },
        },
        "REDIS_URL": environ.get("REDIS_URL", "redis://127.0.0.1:1"),
        "SECRET_KEY": environ.get("KONTOR_SECRET_KEY") or None,
        "KEYS": environ.get("KONTOR_KEYS", ""),
        "SESSION_COOKIE_NAME": "kontor",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        # Browsers drop a Secure cookie on plain http; the demo on localhost runs on that.
        "SESSION_COOKIE_SECURE": public_url.startswith("https://"),
        "PERMANENT_SESSION_LIFETIME": 12 * 3600,
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session: a form left open over lunch still saves
        # Over https it would ask each form for the page it comes from, which our pages tell nobody (Referrer-Policy).
        "WTF_CSRF_SSL_STRICT": False,
        "BABEL_DEFAULT_LOCALE": "en",
        "BABEL_DEFAULT_TIMEZONE": "UTC",
        "RATELIMIT_HEADERS_ENABLED": True,
        # Without Redis each process counts for itself, instead of letting nobody in.
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
        "TRUSTED_PROXIES": int(environ.get("KONTOR_PROXIES", "0")),
        "AMAZON_APPLICATION_ID": environ.get("KONTOR_AMAZON_APPLICATION_ID", ""),
        "AMAZON_CLIENT_ID": environ.get("KONTOR_AMAZON_CLIENT_ID", ""),
        "AMAZON_CLIENT_SECRET": environ.get("KONTOR_AMAZON_CLIENT_SECRET", ""),
        # One base URL that plays every host of Amazon's: the sandbox. Empty: the real ones.
        "AMAZON_URL": environ.get("KONTOR_AMAZON_URL", "").rstrip("/"),
        "AMAZON_DRAFT": environ.get("KONTOR_AMAZON_DRAFT", "") == "1",
        # Seconds an update must be old before it is asked for: Amazon refuses less than two minutes.
        "AMAZON_MIN_AGE": float(environ.get("KONTOR_AMAZON_MIN_AGE", "125")),
        # How far back the first window of a new connection reaches.
        "COLLECT_SINCE_DAYS": int(environ.get("KONTOR_COLLECT_SINCE_DAYS", "14")),
        # The server that takes e-mail, and the address that it comes from. Empty: none is sent (portal/mail.py).
        "SMTP_URL": environ.get("KONTOR_SMTP_URL", ""),
        "MAIL_FROM": environ.get("KONTOR_MAIL_FROM", ""),
        # The customer number of the demo's tenant, whose dashboard leads through it. Empty: this is no demo.
        "DEMO": environ.get("KONTOR_DEMO", ""),
    }


def _existing(file: str) -> str:
    return file if Path(file).is_file() else ""


def networks(given: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks of a list such as `10.0.0.0/8, fd00::/8`; an address stands for itself. Raises ValueError."""
    try:
        return tuple(ip_network(piece) for piece in given.replace(",", " ").split())
    except ValueError as error:
        raise ValueError(f"KONTOR_PRIVATE_NETWORKS: {error}. It looks like 10.0.0.0/8, fd00::/8.") from error


def sqlalchemy_url(url: str) -> str:
    """The URL with the psycopg 3 driver named. `postgres://` is what hosting providers still hand out."""
    for scheme in ("postgres://", "postgresql://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url
