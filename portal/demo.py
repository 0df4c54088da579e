"""`flask demo`: a tenant whose platform is connected to the sandbox marketplace, as a seller would do it."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import click
import requests
from babel.core import default_locale, negotiate_locale
from flask import current_app
from flask.cli import with_appcontext
from flask_babel import force_locale
from sqlalchemy import select

from portal.credentials import service as credentials
from portal.credentials.models import Credential
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.marketplaces import parse_countries
from portal.masterdata import service as masterdata
from portal.platforms import service as platforms
from portal.platforms.models import Connection, Platform
from portal.scope import tenant
from portal.setup import service as setup
from portal.tenants import service as tenants
from portal.tenants.models import Role, User
from portal.tenants.session import LANGUAGES

COMPANY, CUSTOMER_NUMBER = "Muster & Söhne GmbH", "10001"
NAME, EMAIL = "Mia Muster", "mia@example.com"
MARKETPLACES = "DE;UK;PL"

FIRST_ORDERS = 25  # so that the first look is not at an empty list
SPREAD_DAYS = 10  # a backlog looks as if it had come over this time
LINK_HOURS = 12
SECONDS = 60.0  # for one answer of the sandbox: thousands of orders take a while


@click.command()
@click.option("--orders", type=click.IntRange(min=0), help="Place so many orders; 25 when the demo is new.")
@with_appcontext
def demo(orders: int | None) -> None:
    """Make the demo's tenant where there is none, and print a link that signs in to it."""
    try:
        user, new = _user()
        with tenant(user.tenant_id):
            if orders is None:
                orders = FIRST_ORDERS if new else 0
            if orders:
                _place(orders)
            platform = _platform()
            _connect(platform)
            _set_up(platform)
            link = f"{tenants.create_sign_in_link(user, LINK_HOURS)}?next=/"
            db.session.commit()
    except (Refused, Unavailable) as problem:
        raise click.ClickException(str(problem)) from problem
    except requests.RequestException as problem:
        raise click.ClickException(f"The sandbox marketplace or the portal does not answer: {problem}") from problem
    click.echo(f"The sandbox marketplace: {_sandbox()}/")
    click.echo(f"Sign in, once, with a short tour: {link}")


def _user() -> tuple[User, bool]:
    """The demo's user, and whether he was just made. He has no password: he signs in by the link."""
    found = tenants.find_user(EMAIL)
    if found is not None:
        return found, False
    with force_locale(_language()):
        made = tenants.create_tenant(COMPANY, CUSTOMER_NUMBER, "Europe/Berlin", NAME, EMAIL, None, Role.OPERATOR)
    db.session.commit()
    with tenant(made.tenant_id):
        taxes = masterdata.settings()
        taxes.home_country, taxes.one_stop_shop = "DE", True
        db.session.commit()
        return db.session.get_one(User, made.user_id), True


def _language() -> str:
    """The language that the terminal speaks, as far as Kontor does: what the tenant finds set up is called so."""
    return negotiate_locale([default_locale("LC_MESSAGES") or ""], LANGUAGES) or next(iter(LANGUAGES))


def _platform() -> Platform:
    """The demo's platform, at the cloud's present address: the port may be another one today."""
    credential: Credential = db.session.scalars(select(Credential).order_by(Credential.id)).first()
    credential.address = current_app.config["CLOUD_URL"]
    platform: Platform | None = db.session.scalars(select(Platform).order_by(Platform.id)).first()
    if platform is None:
        platform = platforms.create_platform(
            1, f"Amazon {CUSTOMER_NUMBER}", credential, parse_countries(MARKETPLACES), active=True
        )
    db.session.commit()
    return platform


def _connect(platform: Platform) -> None:
    """Agree at the marketplace's page, over HTTP, as the seller's browser does."""
    if _is_connected(platform):
        return
    url = platforms.connect(platform)
    db.session.commit()
    with requests.Session() as browser:
        page = browser.get(url, timeout=SECONDS)
        page.raise_for_status()
        answer = {
            "question": _found(r'name="question" value="([^"]+)"', page.text),
            "seller": _found(r'name="seller" value="([^"]+)"', page.text),
            "digits": _found(r'<output id="sms"[^>]*>(\d+)<', page.text),
            "decision": "confirm",
        }
        # Not further than back to the cloud: the portal's own page asks to sign in.
        back = browser.post(page.url, data=answer, timeout=SECONDS, allow_redirects=False)
        back.raise_for_status()
        browser.get(urljoin(page.url, back.headers["Location"]), timeout=SECONDS, allow_redirects=False)
    platforms.refresh(platform)
    db.session.commit()
    if not _is_connected(platform):
        raise Unavailable("The sandbox marketplace could not be connected; CONNECT on the platform's page tries again.")


def _set_up(platform: Platform) -> None:
    """What a merchant does besides: test the credential, and let tasks fetch and upload from now on."""
    if platform.credential.tested_at is None:
        credentials.test(platform.credential)
    with force_locale(_language()):
        for preset in setup.PRESETS:
            setup.automate(platform, preset)
    db.session.commit()


def _is_connected(platform: Platform) -> bool:
    return platform.connection == Connection.AUTHENTICATED


def _place(orders: int) -> None:
    wish = {"kind": "mix", "count": orders, "spread_days": SPREAD_DAYS}
    requests.post(f"{_sandbox()}/_sandbox/orders", json=wish, timeout=SECONDS).raise_for_status()


def _sandbox() -> str:
    return str(current_app.config["AMAZON_URL"])


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    if match is None:
        raise Unavailable("The consent page of the sandbox marketplace looks otherwise than expected.")
    return match[1]
