"""How quickly orders become documents: from the cloud's inbox over HTTP, with one worker.

orders_per_s: from the begin of the run to its end, that is until the last page is acknowledged.
settings_cost: how much longer the same takes with full tables of settings, in rounds side by side.
copy_ratio: what writing a page reaches of what PostgreSQL's COPY does with the very rows.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
import psycopg
from sqlalchemy import delete, event

from portal.automation import runs
from portal.documents import intake
from portal.documents.arrivals import Arrival
from portal.documents.fetch import PAGE_ORDERS
from portal.extensions import db
from portal.masterdata.models import Article, TaxClass, TaxCode, TaxRate, TaxSettings
from portal.order import Collection
from portal.platforms import creation
from portal.platforms.models import ArticleAssignment, ArticleRule, Platform, RemoteKind
from portal.scope import tenant
from tests.benchmarks.filling import fill
from tests.benchmarks.installation import Installation, Merchant, say, size
from tests.benchmarks.orders import ARTICLES, SHIPPING_LEVELS, fill_inbox, orders

ORDERS_PER_S = 3000
COPY_RATIO = 0.5
PEAK_MB = 150
SETTINGS_COST = 0.1
SKUS, TAX_ROWS = 1_000, 200
SETTINGS_ROUNDS = 7
FULL_ORDERS = 40_000
FULL_DOCUMENTS = 1_000_000
COPY_PAGES = 10
ROUNDS = 21  # one round with another differs by a third and more: the disk, and who else is on the machine
# What a page of new orders writes, in the order of the foreign keys.
WRITTEN = ("address", "address_reference", "document", "document_line", "intake_page", "receipt")
REFERRING = ("shipment", "shipment_item", "held_order", "platform_address", "address_apart", "address_merge")
CALLS = [Collection(1, "searchOrders", "bench", 1, datetime.now(UTC))]


@dataclass(frozen=True)
class Fetched:
    """How a run went."""

    orders: int
    seconds: float
    parent_mb: float
    job_mb: float


@dataclass(frozen=True)
class Written:
    """How many seconds it took to plan pages, and to write them."""

    planning: float
    writing: float


def run() -> None:
    """Measure, from empty tables and from full ones."""
    count, documents = size("ORDERS", FULL_ORDERS), size("DOCUMENTS", FULL_DOCUMENTS)
    with Installation.run() as installation:
        merchant = installation.make_merchant()
        say("intake", **statements(installation, merchant))
        say("intake", **against_copy(installation, merchant))
        with installation.web():
            say("intake", **settings_cost(installation, count // 4))
            empty = fetch(installation, merchant, 1, count)
            say("intake", orders=count, orders_per_s=round(empty.orders / empty.seconds), reference=ORDERS_PER_S)
            began = time.monotonic()
            grown = installation.make_merchant("Groß GmbH")
            fill(installation, grown, documents, msgspec.json.encode(next(orders(0))))
            say("intake", documents=documents, filled_in_s=round(time.monotonic() - began, 1))
            full = fetch(installation, grown, 2, count)
            say("intake", orders=count, orders_per_s_at_1m=round(full.orders / full.seconds), reference=ORDERS_PER_S)
        say(
            "intake",
            peak_mb=round(max(empty.job_mb, full.job_mb, full.parent_mb), 1),
            parent_mb=round(max(empty.parent_mb, full.parent_mb), 1),
            reference=PEAK_MB,
        )


def fetch(installation: Installation, merchant: Merchant, series: int, count: int) -> Fetched:
    """Let one worker fetch so many new orders."""
    fill_inbox(installation.app, merchant, series, count)
    with installation.connect() as connection:
        connection.execute("ANALYZE cloud_order")
    with installation.app.app_context(), tenant(merchant.tenant_id):
        run_id = runs.start_fetch(db.session.get_one(Platform, merchant.platform_id), "schedule").id
        db.session.commit()
    printed = installation.finish("worker", (sys.executable, "-m", "tests.benchmarks.worker"))
    with installation.connect() as connection:
        row = connection.execute(
            "SELECT state, created, extract(epoch FROM ended_at - started_at)::float, problem FROM run WHERE id = %s",
            (run_id,),
        ).fetchone()
        waiting = connection.execute(
            "SELECT count(*) FROM cloud_order WHERE platform_id = %s AND state = 'waiting'",
            (merchant.cloud_platform_id,),
        ).fetchone()
    if row is None or row[:2] != ("done", count) or waiting != (0,):
        raise RuntimeError(f"The run did not do all: {row}, {waiting} waiting.")
    return Fetched(count, row[2], **json.loads(printed))


def settings_cost(installation: Installation, count: int) -> dict[str, Any]:
    """Two merchants fetch as many orders in turn: one without settings, one with articles, taxes and mappings."""
    plain, decided = installation.make_merchant("Ohne GmbH"), installation.make_merchant("Mit GmbH")
    with installation.app.app_context(), tenant(decided.tenant_id):
        decide(db.session.get_one(Platform, decided.platform_id))
        db.session.commit()
    ratios = []
    for turn in range(SETTINGS_ROUNDS):
        without = fetch(installation, plain, 40 + 2 * turn, count).seconds
        ratios.append(fetch(installation, decided, 41 + 2 * turn, count).seconds / without)
    return {
        "settings_cost": round(statistics.median(ratios) - 1, 3),
        "skus": SKUS,
        "tax_rows": TAX_ROWS,
        "reference": SETTINGS_COST,
    }


def decide(platform: Platform) -> None:
    """Fill the tables of the platform's settings; each of the orders' SKUs is assigned, each of their words mapped."""
    owner = {"tenant_id": platform.tenant_id}
    skus = [sku for sku, _title, _price in ARTICLES]
    skus += [f"OTHER-{number}" for number in range(SKUS - len(skus))]
    for number, sku in enumerate(skus):
        article = Article(**owner, number=f"A-{number:05}", title=sku)
        db.session.add(article)
        db.session.flush()
        db.session.add(ArticleAssignment(**owner, platform_id=platform.id, sku=sku, article_id=article.id))
    code = TaxCode(**owner, code="19")
    db.session.add(code)
    db.session.flush()
    db.session.execute(delete(TaxRate))
    for number in range(TAX_ROWS):
        since = date(2000, 1, 1) + timedelta(days=300 * (number // 2))
        until = since + timedelta(days=299) if number < TAX_ROWS - 2 else None
        tax_class = (TaxClass.STANDARD, TaxClass.REDUCED)[number % 2]
        db.session.add(
            TaxRate(
                **owner,
                country="DE",
                tax_class=tax_class,
                valid_from=since,
                valid_until=until,
                rate=Decimal(19),
                tax_code_id=code.id,
            )
        )
    db.session.get_one(TaxSettings, platform.tenant_id).home_country = "DE"
    platform.article_rule = ArticleRule.TABLE
    for kind, words in ((RemoteKind.PAYMENT, ["Invoice", "CreditCard"]), (RemoteKind.SHIPPING, set(SHIPPING_LEVELS))):
        creation.add_values(platform, kind, sorted(words))
    methods = {RemoteKind.PAYMENT: platform.payment_method_id, RemoteKind.SHIPPING: platform.shipping_method_id}
    creation.map_values(platform, {value.id: methods[value.kind] for value in creation.remote_values(platform)})


def statements(installation: Installation, merchant: Merchant) -> dict[str, Any]:
    """How many SQL statements a page takes, of few orders and of many; the first brings words never seen before."""
    counts = []
    source = orders(3)
    with installation.app.app_context(), tenant(merchant.tenant_id):
        seen = 0

        def count(*_: Any) -> None:
            nonlocal seen
            seen += 1

        event.listen(db.engine, "before_cursor_execute", count)
        for page in (50, 50, PAGE_ORDERS):
            origin = intake.source_of(db.session.get_one(Platform, merchant.platform_id))
            arrivals = _arrivals(islice(source, page))
            db.session.commit()
            seen = 0
            intake.commit_page(origin, intake.plan_page(arrivals, origin.settings), CALLS)
            counts.append(seen)
        event.remove(db.engine, "before_cursor_execute", count)
    return {
        "statements_per_page": counts[2],
        "orders_a_page": PAGE_ORDERS,
        "with_50_orders": counts[1],
        "with_new_words": counts[0],
    }


def against_copy(installation: Installation, merchant: Merchant) -> dict[str, Any]:
    """Pages written, against COPY of the very rows in as large transactions; both to empty tables.

    COPY draws no numbers and looks nothing up; it goes past the row policies, which it does not support.
    """
    rounds: list[tuple[Written, float]] = []
    with installation.connect() as connection:
        connection.execute("SELECT set_config('enable_seqscan', 'off', false)")  # as the writing does
        for series in range(10, 10 + ROUNDS):
            source = orders(series)
            pages = [_arrivals(islice(source, PAGE_ORDERS)) for _ in range(COPY_PAGES)]
            _empty(connection)
            written = _write(installation, merchant, pages)
            rows = _rows_by_page(connection)
            _empty(connection)
            began = time.perf_counter()
            _copy(connection, rows)
            rounds.append((written, time.perf_counter() - began))
        _empty(connection)
    written_in = statistics.median(written.writing for written, _ in rounds)
    copied_in = statistics.median(copied for _, copied in rounds)
    with_plan = statistics.median(copied / (written.planning + written.writing) for written, copied in rounds)
    return {
        "copy_ratio": round(statistics.median(copied / written.writing for written, copied in rounds), 2),
        "copy_ratio_with_planning": round(with_plan, 2),
        "written_per_s": round(PAGE_ORDERS * COPY_PAGES / written_in),
        "copied_per_s": round(PAGE_ORDERS * COPY_PAGES / copied_in),
        "reference": COPY_RATIO,
    }


def _arrivals(source: Any) -> list[Arrival]:
    return [Arrival(order, msgspec.json.encode(order), 1) for order in source]


def _write(installation: Installation, merchant: Merchant, pages: Sequence[list[Arrival]]) -> Written:
    """Plan and write the pages. In a run, a page is planned while the one before is written."""
    with installation.app.app_context(), tenant(merchant.tenant_id):
        origin = intake.source_of(db.session.get_one(Platform, merchant.platform_id))
        began = time.perf_counter()
        planned = [intake.plan_page(arrivals, origin.settings) for arrivals in pages]
        between = time.perf_counter()
        for page in planned:
            intake.commit_page(origin, page, CALLS)
        return Written(between - began, time.perf_counter() - between)


def _rows_by_page(connection: psycopg.Connection[Any]) -> list[list[bytes]]:
    """The rows of each page and table, as COPY writes and reads them."""
    customers = "SELECT address_id FROM document d JOIN receipt r ON d.id = document_id WHERE page_id = {0}"
    of_page = {
        "address": f"id IN ({customers})",
        "address_reference": f"address_id IN ({customers})",
        "document": "id IN (SELECT document_id FROM receipt WHERE page_id = {0})",
        "document_line": "document_id IN (SELECT document_id FROM receipt WHERE page_id = {0})",
        "intake_page": "id = {0}",
        "receipt": "page_id = {0}",
    }
    pages = []
    for (page_id,) in connection.execute("SELECT id FROM intake_page ORDER BY id").fetchall():
        tables = []
        for table in WRITTEN:
            buffer = io.BytesIO()
            query = f"COPY (SELECT * FROM {table} WHERE {of_page[table].format(page_id)}) TO STDOUT (FORMAT binary)"
            with connection.cursor().copy(query) as copy:  # type: ignore[call-overload]
                for block in copy:
                    buffer.write(block)
            tables.append(buffer.getvalue())
        pages.append(tables)
    return pages


def _copy(connection: psycopg.Connection[Any], pages: Sequence[Sequence[bytes]]) -> None:
    for tables in pages:
        with connection.transaction():
            for table, rows in zip(WRITTEN, tables, strict=True):
                with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:  # type: ignore[call-overload]
                    copy.write(rows)


def _empty(connection: psycopg.Connection[Any]) -> None:
    connection.execute(f"TRUNCATE {', '.join((*WRITTEN, *REFERRING))}")  # type: ignore[call-overload]
    connection.execute("CHECKPOINT")
