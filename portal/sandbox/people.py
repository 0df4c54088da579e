"""Who buys, and where they live: made-up people at made-up house numbers, in real spelling."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Country:
    """A country's names and places. `{n}` in a street is the house number."""

    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str, str], ...]  # postal code, city, region
    companies: tuple[str, ...]
    phone: str
    family_name_first: bool = False


COUNTRIES = {
    "DE": Country(
        ("Jürgen", "Käthe", "Anneliese", "Björn", "Sören", "Zoë", "Lukas", "Marlene", "Günther", "Friederike", "Emre"),
        ("Müller", "Groß", "Schäfer", "Köhler", "Weiß", "von der Heydt", "Yıldız", "Krüger", "Böhm", "Schulze-Höing"),
        ("Königstraße {n}", "Am Mühlgraben {n}", "Größlingweg {n} a", "Straße des 17. Juni {n}", "Ölbergring {n}"),
        (
            ("10115", "Berlin", "Berlin"),
            ("80331", "München", "Bayern"),
            ("50667", "Köln", "Nordrhein-Westfalen"),
            ("99423", "Weimar", "Thüringen"),
            ("01067", "Dresden", "Sachsen"),
            ("73728", "Esslingen am Neckar", "Baden-Württemberg"),
            ("25980", "Sylt", "Schleswig-Holstein"),
        ),
        ("Bäckerei Grün GmbH & Co. KG", "Ingenieurbüro Weiß", "Stadtwerke Nürtingen", "Kaffeerösterei Öchsle e.K."),
        "+49 151 {n}",
    ),
    "AT": Country(
        ("Leopold", "Rosemarie", "Matthäus", "Vroni"),
        ("Gruber", "Pöchlinger", "Österreicher", "Strauß"),
        ("Mariahilfer Straße {n}/3/12", "Höttinger Au {n}", "Am Grünen Prater {n}"),
        (("1060", "Wien", "Wien"), ("6020", "Innsbruck", "Tirol"), ("3100", "St. Pölten", "Niederösterreich")),
        ("Mühlviertler Käserei GmbH", "Grazer Möbelhaus OG"),
        "+43 660 {n}",
    ),
    "FR": Country(
        ("Chloé", "Jérôme", "Éléonore", "François", "Maëlys", "Noël"),
        ("Lefèvre", "D'Anjou", "Bœuf", "Garçon", "Müller-Dupré"),
        ("{n} rue de l'Église", "{n} bis, avenue des Châtaigniers", "{n} quai François-Mitterrand"),
        (
            ("75011", "Paris", "Île-de-France"),
            ("35400", "Saint-Malo", "Bretagne"),
            ("13290", "Aix-en-Provence", "Provence-Alpes-Côte d'Azur"),
        ),
        ("Pâtisserie Lumière SARL", "Librairie de l'Œuvre SAS"),
        "+33 6 {n}",
    ),
    "IT": Country(
        ("Niccolò", "Giulia", "Mosè", "Desirée"),
        ("D'Angelo", "Però", "De Luca", "Rossi"),
        ("Via della Libertà {n}", "Piazza San Niccolò {n}", "Viale dell'Università {n}"),
        (("00185", "Roma", "RM"), ("50122", "Firenze", "FI"), ("09124", "Cagliari", "CA")),
        ("Caffè Torrefazione S.r.l.",),
        "+39 347 {n}",
    ),
    "ES": Country(
        ("Begoña", "José María", "Íñigo", "Lucía"),
        ("Núñez Ibáñez", "García Muñoz", "Güell Peña", "López"),
        ("Calle Peñagrande {n}, 3º B", "Passeig de Gràcia {n}", "Avda. de la Constitución {n}"),
        (("28035", "Madrid", "Madrid"), ("08007", "Barcelona", "Barcelona"), ("15001", "A Coruña", "A Coruña")),
        ("Cerámicas Añil S.L.",),
        "+34 612 {n}",
    ),
    "NL": Country(
        ("Daniël", "Anouk", "Joëlle", "Maarten"),
        ("van 't Hoff", "De Graaf", "Coöper", "Dijkstra"),
        ("Prinsengracht {n}", "'s-Gravenweg {n}-II", "Coöperatiestraat {n}"),
        (("1016 HK", "Amsterdam", "Noord-Holland"), ("5211 AX", "'s-Hertogenbosch", "Noord-Brabant")),
        ("Fietsenmakerij Zoë B.V.",),
        "+31 6 {n}",
    ),
    "BE": Country(
        ("Noémie", "Wout", "Gaëlle"),
        ("Van den Bossche", "Lambert", "François"),
        ("Rue Saint-Géry {n}", "Korte Meer {n} bus 4"),
        (("1000", "Bruxelles", "Bruxelles-Capitale"), ("9000", "Gent", "Oost-Vlaanderen")),
        ("Chocolaterie Élysée SRL",),
        "+32 470 {n}",
    ),
    "PL": Country(
        ("Łukasz", "Małgorzata", "Świętosława", "Józef", "Żaneta"),
        ("Wójcik", "Błaszczyk", "Źrebięcka", "Kowalski", "Łoś-Nowak"),
        ("ul. Świętokrzyska {n}/15", "al. Jerozolimskie {n} m. 7", "os. Złotego Wieku {n}"),
        (("00-116", "Warszawa", "mazowieckie"), ("90-001", "Łódź", "łódzkie"), ("31-618", "Kraków", "małopolskie")),
        ("Piekarnia Żytnia Sp. z o.o.",),
        "+48 601 {n}",
    ),
    "SE": Country(
        ("Åsa", "Göran", "Märta", "Linnéa"),
        ("Öberg", "Åkesson", "Sjöström", "Nilsson"),
        ("Östra Långgatan {n}", "Ängsvägen {n} lgh 1102"),
        (("116 20", "Stockholm", "Stockholms län"), ("903 26", "Umeå", "Västerbottens län")),
        ("Smörgåsbord i Malmö AB",),
        "+46 70 {n}",
    ),
    "GB": Country(
        ("Siân", "Oliver", "Zoë", "Rhys", "Charlotte", "Aoife"),
        ("O'Connor", "Smith-Jones", "Llewellyn", "Brontë", "MacDonald"),
        ("{n} Oak Avenue", "Flat 2, {n} St Mary's Road", "The Old Rectory, {n} High Street"),
        (("SW1A 1AA", "London", "Greater London"), ("CF10 3AT", "Cardiff", "Wales"), ("EH1 1YZ", "Edinburgh", "")),
        ("Tea & Sons Ltd", "Llanfair Roofing LLP"),
        "+44 7700 {n}",
    ),
    "IE": Country(
        ("Niamh", "Pádraig", "Caoimhe"),
        ("Ó Briain", "Ní Dhónaill", "Murphy"),
        ("{n} Grafton Street", "{n} An Cheathrú Rua"),
        (("D02 X285", "Dublin", "Co. Dublin"), ("H91 E2K3", "Galway", "Co. Galway")),
        ("Síol Foods Ltd",),
        "+353 85 {n}",
    ),
    "US": Country(
        ("Michael", "Renée", "José", "Ashley"),
        ("Johnson", "Peña", "McAllister", "Nguyen"),
        ("{n} Main Street", "{n} N 45th Ave Apt 5B"),
        (("98101", "Seattle", "WA"), ("10001", "New York", "NY")),
        ("Smith Industries LLC",),
        "+1 555 {n}",
    ),
    "JP": Country(
        ("花子", "健太", "さくら"),
        ("佐藤", "髙橋", "渡邉"),
        ("南青山{n}-2-1 コーポ高木101", "梅田{n}-4-8"),
        (("107-0062", "港区", "東京都"), ("530-0001", "大阪市北区", "大阪府")),
        ("株式会社こころ",),
        "+81 90 {n}",
        family_name_first=True,
    ),
}
# Neighbours who shop across the border, as a share of the marketplace's orders.
NEIGHBOURS = {"DE": ("AT", 0.15), "FR": ("BE", 0.08), "GB": ("IE", 0.06), "NL": ("BE", 0.1)}


@dataclass(frozen=True)
class Person:
    name: str
    company: str
    country: str
    address: dict[str, str]  # the fields of Amazon's CustomerAddress


def person(country: str, chance: Random, business: bool = False) -> Person:
    """Somebody who orders at the marketplace of this country, and where it goes."""
    neighbour, share = NEIGHBOURS.get(country, ("", 0.0))
    home = neighbour if chance.random() < share else country
    # A country without names of its own here has buyers from elsewhere: that happens as well.
    names = COUNTRIES.get(home, COUNTRIES["GB"])
    parts = [chance.choice(names.first_names), chance.choice(names.last_names)]
    name = " ".join(reversed(parts) if names.family_name_first else parts)
    company = chance.choice(names.companies) if business else ""
    street = chance.choice(names.streets).format(n=chance.randint(1, 148))
    postal_code, city, region = chance.choice(names.cities)
    lines = [street]
    if business:
        lines.append(chance.choice(("2. OG", "Wareneingang Tor 3", "c/o Empfang")) if home in ("DE", "AT") else "")
    elif home == "DE" and chance.random() < 0.06:
        lines = [str(chance.randint(10_000_000, 99_999_999)), f"Packstation {chance.randint(101, 399)}"]
    elif chance.random() < 0.05:
        lines = [f"c/o {chance.choice(names.last_names)}", street]
    address = {
        "name": name,
        "companyName": company,
        "addressLine1": lines[0],
        "addressLine2": lines[1] if len(lines) > 1 else "",
        "city": city,
        "stateOrRegion": region,
        "postalCode": postal_code,
        "countryCode": home,
        "phone": names.phone.format(n=chance.randint(1_000_000, 9_999_999)),
        "addressType": "COMMERCIAL" if business else "RESIDENTIAL",
    }
    return Person(name, company, home, {field: value for field, value in address.items() if value})
