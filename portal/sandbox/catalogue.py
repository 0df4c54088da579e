"""What the sellers sell."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Article:
    """An article and its price in euros, tax included."""

    sku: str
    asin: str
    title: str
    price: Decimal


ARTICLES = tuple(
    Article(sku, asin, title, Decimal(price))
    for sku, asin, title, price in (
        ("TEE-0100", "B07H8LQ2MZ", "Ostfriesentee Sonntagsmischung, 500 g", "12.90"),
        ("TAS-0240", "B08GKX4R1T", "Emaille-Tasse „Fördeblick“, 300 ml, weiß/blau", "14.50"),
        ("MES-0811", "B01N6XKQ3D", "Brotmesser mit Wellenschliff, Griff aus Räuchereiche", "39.95"),
        ("BRE-0420", "B09W3VJ7YP", "Frühstücksbrettchen aus Ahorn, 4er-Set", "24.00"),
        ("KER-0033", "B07YN5TQHL", "Bienenwachskerze, gezogen, 20 × 6 cm", "8.49"),
        ("SEI-0012", "B0816JKRZC", "Olivenölseife aus Nyons, 3 × 100 g", "9.99"),
        ("DEC-1900", "B0BCZQL5S4", "Wolldecke Merino, 140 × 200 cm, anthrazit", "119.00"),
        ("LAM-0555", "B08P2XW9GV", "Schreibtischleuchte Bjørn, dimmbar, E27", "64.90"),
        ("SCH-0077", "B07TTB8N2X", "Schnürsenkel gewachst, 120 cm, 1 Paar", "3.95"),
        ("REG-3000", "B0C5M8DKQW", "Regalsystem Höhe 200 cm, 5 Böden, Kiefer geölt", "189.00"),
        ("NOT-0200", "B06XZ7HM4F", "Notizbuch A5 kariert, Fadenheftung, 192 Seiten", "16.80"),
        ("FUE-0140", "B07D9CQ6RJ", "Füllfederhalter Feder M, schwarz", "29.90"),
        ("HON-0500", "B0849RTKLB", "Lindenhonig vom Süntel, 500 g", "7.80"),
        ("GIE-0090", "B0B1H7VZDN", "Gießkanne verzinkt, 9 l", "34.50"),
        ("SPI-0061", "B01MUVWX8G", "Brettspiel „Die Brücken von Łódź“, ab 10 Jahren", "36.99"),
        ("KAB-0003", "B09MQ2Z5CT", "USB-C-Kabel 240 W, 2 m, geflochten", "11.99"),
        ("SOC-4245", "B07PXR3JWH", "Wollsocken Größe 42–45, 3 Paar", "22.95"),
        ("KAF-1000", "B08LKC1YQS", "Espresso ganze Bohne, 1 kg, Röstung Crème", "18.49"),
        ("PFA-0280", "B07K8NSRDV", "Gusseiserne Pfanne 28 cm, eingebrannt", "49.00"),
        ("BUE-0017", "B0BZT6FHXM", "Schuhbürste Rosshaar, Griff Birne geölt", "13.20"),
        ("RUC-0220", "B0977LWPGK", "Rucksack Segeltuch 22 l, moosgrün", "89.90"),
        ("SAL-0002", "B0746QJ3RN", "Fleur de sel de l'Île de Ré, 250 g", "6.75"),
        ("THE-0075", "B0CGYV8DTL", "Thermosflasche 0,75 l, Edelstahl", "27.99"),
        ("STI-0012", "B08VX5N6ZK", "Buntstifte, 12 Farben, FSC-Holz", "10.49"),
    )
)
# Roughly what one euro buys; prices are rounded to look like prices.
EURO_BUYS = {
    "GBP": Decimal("0.86"),
    "PLN": Decimal("4.30"),
    "SEK": Decimal(11),
    "USD": Decimal("1.08"),
    "JPY": Decimal(165),
}


def price_in(article: Article, currency: str) -> Decimal:
    """The article's price in a currency, with as many decimals as the currency has."""
    price = article.price * EURO_BUYS.get(currency, Decimal(1))
    if decimals(currency) == 0:
        return (price / 10).quantize(Decimal(1)) * 10
    return price if currency == "EUR" else price.quantize(Decimal(1)) - Decimal("0.01")


def decimals(currency: str) -> int:
    return 0 if currency == "JPY" else 2
