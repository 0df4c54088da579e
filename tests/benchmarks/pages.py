"""How long the server takes for the list pages, with a hundred documents in the tenant and with a million.

Every page of both tenants is asked once a round, so that the machine's moods meet all of them alike.
p95_ms is with a million. growth is the median with a million by the median with a hundred. Over all, it
counts the pages that show as many rows both times (`rows` says how many), where only the looking up can
grow: of a hundred documents there are no two full pages of each kind.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from flask.testing import FlaskClient

from tests.benchmarks.filling import fill
from tests.benchmarks.installation import Installation, Merchant, say, size
from tests.benchmarks.orders import orders

P95_MS = 50
GROWTH = 1.5
FEW_DOCUMENTS = 100
FULL_DOCUMENTS = 1_000_000
FULL_SAMPLES = 100
WARM_UPS = 3

# Every list, by filter, order and search. {order_id}, {number} and {tracking} are those of a document in
# the midst. "last" are the last rows, which are the first in the order turned round, and the page before them.
PAGES = {
    "dashboard": "/",
    "documents": "/documents/",
    "documents, last": "/documents/?sort=date",
    "documents, second": "/documents/ > next",
    "documents, last but one": "/documents/?sort=date > next",
    "documents by number": "/documents/?sort=-number",
    "documents by number, last": "/documents/?sort=number",
    "documents to ship": "/documents/?state=to_ship",
    "documents to ship, second": "/documents/?state=to_ship > next",
    "documents open": "/documents/?state=open",
    "documents open by number": "/documents/?state=open&sort=-number",
    "documents of the platform": "/documents/?platform={platform}",
    "documents shipped by us": "/documents/?fulfilled_by=merchant",
    "documents open, of the platform, by us": "/documents/?state=open&platform={platform}&fulfilled_by=merchant",
    "documents since": "/documents/?since=2000-01-01",
    "documents until, to ship": "/documents/?until=2199-01-01&state=to_ship",
    "documents, search by order": "/documents/?q={order_id}",
    "documents, search by number": "/documents/?q={number}",
    "documents, search by tracking number": "/documents/?q={tracking}",
    "documents, search by a name of many": "/documents/?q=s",
    "documents, search in vain": "/documents/?q=nobody is called so",
    "held": "/held/",
    "held, second": "/held/ > next",
    "held, search": "/held/?q=000-0000000-0000000",
    "addresses": "/addresses/",
    "addresses, last": "/addresses/?sort=number",
    "addresses by name": "/addresses/?sort=name",
    "addresses by name, second": "/addresses/?sort=name > next",
    "addresses, search": "/addresses/?q=s",
    "doubles": "/addresses/doubles",
    "doubles, search by a name of many": "/addresses/doubles?q=s",
    "documents of an address": "/addresses/{address}",
    "documents of an address, search": "/addresses/{address}?q={number}",
    "ledger": "/addresses/numbers/{range}/ledger",
    "ledger, last": "/addresses/numbers/{range}/ledger?sort=number",
    "ledger, search": "/addresses/numbers/{range}/ledger?q={number}",
    "shipments": "/shipments/",
    "shipments, second": "/shipments/ > next",
    "shipments confirmed": "/shipments/?state=confirmed",
    "shipments, search": "/shipments/?q={tracking}",
    "jobs": "/jobs/",
    "jobs done": "/jobs/?state=done",
    "search by order": "/search?q={order_id}",
    "search by name": "/search?q=s",
}
NEXT = re.compile(r'href="([^"]*[?&](?:amp;)?after=[^"]*)"')
ROW = re.compile(r"<tr[ >]")


@dataclass
class Asked:
    """A page that is asked for again and again, as a merchant's signed-in browser does."""

    browser: FlaskClient
    address: str
    milliseconds: list[float] = field(default_factory=list)
    rows: int = 0

    def ask(self) -> None:
        began = time.perf_counter()
        text = _answer(self.browser, self.address)
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        self.rows = len(ROW.findall(text))

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def p95(self) -> float:
        return p95(self.milliseconds)


def run() -> None:
    """Measure; a page that does not answer is an error, not left out."""
    documents, samples = size("DOCUMENTS", FULL_DOCUMENTS), size("SAMPLES", FULL_SAMPLES)
    payload = msgspec.json.encode(next(orders(0)))
    with Installation.run() as installation:
        few, many = installation.make_merchant("Klein GmbH"), installation.make_merchant("Groß GmbH")
        fill(installation, few, FEW_DOCUMENTS, payload)
        fill(installation, many, documents, payload)
        small, large = ({name: _asked(installation, of, page) for name, page in PAGES.items()} for of in (few, many))
        machine = []
        for turn in range(samples + WARM_UPS):
            if turn == WARM_UPS:
                for asked in (*small.values(), *large.values()):
                    asked.milliseconds.clear()
            for name in PAGES:
                small[name].ask()
                large[name].ask()
            machine.append(_machine_milliseconds())
    for name in PAGES:
        say(
            "pages",
            page=name,
            p95_ms=round(large[name].p95, 1),
            growth=round(large[name].median / small[name].median, 2),
            median_ms=round(large[name].median, 1),
            median_ms_at_100=round(small[name].median, 1),
            rows=large[name].rows,
            rows_at_100=small[name].rows,
        )
    say(
        "pages",
        page="all",
        documents=documents,
        p95_ms=round(max(page.p95 for page in large.values()), 1),
        reference=P95_MS,
        machine_p95_by_median=round(p95(machine) / statistics.median(machine), 2),
        slowest=max(large, key=lambda name: large[name].p95),
    )
    alike = [name for name in PAGES if large[name].rows == small[name].rows]
    growth = {name: large[name].median / small[name].median for name in alike}
    most = max(growth, key=lambda name: growth[name])
    say(
        "pages",
        page="all",
        growth=round(growth[most], 2),
        growth_reference=GROWTH,
        grows_most=most,
        pages_with_as_many_rows=f"{len(alike)} of {len(PAGES)}",
    )


def p95(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=20, method="inclusive")[18]


def _machine_milliseconds() -> float:
    """How long the machine takes for the same work of its own: what its p95 is above its median is not ours."""
    began = time.perf_counter()
    sum(number * number for number in range(200_000))
    return (time.perf_counter() - began) * 1000


def _asked(installation: Installation, merchant: Merchant, page: str) -> Asked:
    browser = installation.browser(merchant)
    return Asked(browser, _address(installation, merchant, browser, page))


def _address(installation: Installation, merchant: Merchant, browser: FlaskClient, page: str) -> str:
    """Where the page is, of this merchant: some are reached from the page before."""
    address, _, following = page.partition(" > ")
    address = address.format_map(_known(installation, merchant))
    if following:
        found = NEXT.search(_answer(browser, address))
        if found is None:
            raise RuntimeError(f"{address} has no next page.")
        address = found[1].replace("&amp;", "&")
    return address


def _answer(browser: FlaskClient, address: str) -> str:
    answer = browser.get(address)
    # A search that finds just one leads there.
    if answer.status_code not in (200, 302) or "/sign-in" in answer.headers.get("Location", ""):
        raise RuntimeError(f"{address} answered {answer.status}.")
    return answer.text


def _known(installation: Installation, merchant: Merchant) -> dict[str, object]:
    with installation.connect() as connection:
        row = connection.execute(
            "SELECT d.order_id, d.number, s.tracking_number, d.number_range_id, d.address_id FROM document d "
            "JOIN shipment s ON s.document_id = d.id WHERE s.tenant_id = %s ORDER BY s.id LIMIT 1 OFFSET 20",
            (merchant.tenant_id,),
        ).fetchone()
    known: dict[str, object] = dict(
        zip(("order_id", "number", "tracking", "range", "address"), row or [""] * 5, strict=True)
    )
    return known | {"platform": merchant.platform_id}
