"""Orders as a marketplace sends them, as many as one likes, and an inbox full of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from flask import Flask

from portal.cloud import inbox
from portal.cloud.models import CloudPlatform, CollectedPage
from portal.extensions import db
from portal.order import Component, Line, Order, Party, Status
from portal.scope import account
from tests.benchmarks.installation import Merchant

MARKETPLACE_PAGE = 100
ARTICLES = (
    ("TEE-0100", "Ostfriesentee Sonntagsmischung, 500 g", Decimal("12.90")),
    ("MES-0811", "Brotmesser mit Wellenschliff, Griff aus Räuchereiche", Decimal("39.95")),
    ("DEC-1900", "Wolldecke Merino, 140 × 200 cm, anthrazit", Decimal("119.00")),
    ("SOC-4245", "Wollsocken Größe 42–45, 3 Paar", Decimal("22.95")),
    ("KAB-0003", "USB-C-Kabel 240 W, 2 m, geflochten", Decimal("11.99")),
    ("PFA-0280", "Gusseiserne Pfanne 28 cm, eingebrannt", Decimal("49.00")),
)
FIRST_NAMES = ("Käthe", "Jürgen", "Anna", "Mehmet", "Zoë", "Björn", "Łucja", "Sophie", "Ali", "Petra")
SHIPPING_LEVELS = ("STANDARD", "STANDARD", "NEXT_DAY", "SECOND_DAY")
SURNAMES = ("Müller", "Schmidt", "Öztürk", "Nowak", "de Vries", "Großmann", "Petersen", "Kaya", "Weiß", "Lang")
STREETS = ("Lange Straße", "Am Mühlbach", "Rue de l'Église", "Hauptstraße", "Königsallee")
CITIES = (("60311", "Frankfurt am Main"), ("20095", "Hamburg"), ("80331", "München"), ("01067", "Dresden"))


def orders(series: int) -> Iterator[Order]:
    """Orders without end, each of a buyer of its own, of two lines on average; one in three pays for shipping.

    Two series have no order in common.
    """
    chance = random.Random(series)
    now = datetime.now(UTC).replace(microsecond=0)
    number = 0
    while True:
        number += 1
        placed_at = now - timedelta(seconds=chance.randrange(14 * 86400))
        lines = [_line(chance, place) for place in range(chance.choice((1, 2, 2, 3)))]
        total = sum((line.total or Decimal() for line in lines), Decimal())
        name = f"{chance.choice(FIRST_NAMES)} {chance.choice(SURNAMES)}"
        postal_code, city = chance.choice(CITIES)
        email = f"{chance.getrandbits(64):016x}{number}@marketplace.amazon.de"
        yield Order(
            id=f"{900 + series:03}-{chance.randrange(10**7):07}-{number:07}",
            version=placed_at + timedelta(minutes=31),
            status=Status.UNSHIPPED,
            placed_at=placed_at,
            channel="Amazon.de",
            marketplace="A1PA6795UKMFR9",
            currency="EUR",
            total=total,
            lines=lines,
            buyer=Party(name=name, email=email),
            delivery=Party(
                name=name,
                street=f"{chance.choice(STREETS)} {chance.randrange(1, 180)}",
                postal_code=postal_code,
                city=city,
                country="DE",
                phone=f"+49 69 {chance.randrange(10**7):07}",
            ),
            buyer_reference=email,
            ship_by=placed_at + timedelta(days=2),
            payment_kind="Invoice" if number % 10 == 0 else "CreditCard",
            shipping_level=SHIPPING_LEVELS[number % len(SHIPPING_LEVELS)],
            programs=["PRIME"] if chance.random() < 0.2 else [],
        )


def fill_inbox(app: Flask, merchant: Merchant, series: int, count: int) -> None:
    """So many orders wait in the merchant's inbox, as a collector would have put them there."""
    source = orders(series)
    now = datetime.now(UTC)
    with app.app_context(), account(merchant.account_id):
        platform = db.session.get_one(CloudPlatform, merchant.cloud_platform_id)
        for page, start in enumerate(range(0, count, MARKETPLACE_PAGE), start=1):
            call = CollectedPage(
                account_id=merchant.account_id,
                platform_id=platform.id,
                operation="searchOrders",
                request_id=f"bench-{series}-{page}",
                page=page,
                orders=MARKETPLACE_PAGE,
                window_from=now - timedelta(days=14),
                window_to=now,
            )
            db.session.add(call)
            db.session.flush()
            inbox.receive(platform, list(islice(source, min(MARKETPLACE_PAGE, count - start))), call)
            if page % 10 == 0:
                db.session.commit()
        db.session.commit()


def _line(chance: random.Random, place: int) -> Line:
    sku, title, price = chance.choice(ARTICLES)
    quantity = chance.choice((1, 1, 1, 2, 4))
    parts = [Component("article", price * quantity)]
    if place == 0 and chance.random() < 1 / 3:
        parts.append(Component("shipping", Decimal("4.99")))
    return Line(
        reference=f"{chance.randrange(10**14):014}",
        sku=sku,
        title=title,
        quantity=quantity,
        components=parts,
        unit_price=price,
        total=sum((part.amount for part in parts), Decimal()),
    )
