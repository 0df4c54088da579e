"""A tenant with as many documents as one likes, made by the database itself within a minute or two.

Everything a document has is there: address, lines, receipt, intake page, parcels and their items,
and the delivered order in the cloud's inbox. Numbers, order ids and buyers are spread as real
ones are, so the indexes are as scattered as those of an installation that grew.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from tests.benchmarks.installation import Installation, Merchant

CHUNK = 100_000
# So many of a hundred documents are: open, partly shipped, shipped, cancelled (the rest). Every view of
# a list then fills its page with a hundred documents as with a million, so that the same is compared.
OPEN, PARTLY, SHIPPED = 52, 8, 30
DAYS = 730
ORDERS_A_PAGE = 400

FUNCTIONS = """
CREATE FUNCTION pg_temp.any_of(i bigint, salt bigint, size bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
AS 'SELECT (hashint8extended(i, salt) & 9223372036854775807) % size';
CREATE FUNCTION pg_temp.order_id(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$SELECT '30' || pg_temp.any_of(i, 1, 7) || '-' || lpad(pg_temp.any_of(i, 2, 10000000)::text, 7, '0') || '-'
|| lpad(i::text, 7, '0')$$;
CREATE FUNCTION pg_temp.buyer(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$SELECT md5(i::text) || '@marketplace.amazon.de'$$;
CREATE FUNCTION pg_temp.first_name(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$SELECT ('{Sabine,Sven,Stefan,Susanne,Sandra,Simon,Sarah,Silke,Stefanie,Sebastian,Sophie,Jürgen,Anna,Mehmet,Björn,
Petra,Käthe,Dirk,Ole,Marie}'::text[])[1 + i % 20]$$;
CREATE FUNCTION pg_temp.surname(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$SELECT ('{Müller,Schmidt,Öztürk,Nowak,Fischer,Großmann,Petersen,Kaya,Weiß,Lang}'::text[])
[1 + pg_temp.any_of(i, 3, 10)] || CASE WHEN i % 3 = 0 THEN '-' || substr(md5(i::text), 1, 5) ELSE '' END$$;
CREATE FUNCTION pg_temp.place_key(name text, postal_code text, street text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$SELECT left(encode(sha256(convert_to(replace(lower(name || E'\\n' || postal_code || E'\\n' || street), 'ß', 'ss'),
'UTF8')), 'hex'), 32)$$;
CREATE FUNCTION pg_temp.placed(i bigint, total bigint) RETURNS timestamptz LANGUAGE sql STABLE AS
$$SELECT date_trunc('second', now()) - (total - i) * interval '{days} days' / total - interval '2 hours'$$;
""".replace("{days}", str(DAYS))

SHARE = "(i * 37 %% 100)"  # every hundred documents in a row have each number once
STATE = (
    f"CASE WHEN {SHARE} < {OPEN} THEN 'open' WHEN {SHARE} < {OPEN + PARTLY} THEN 'partly_shipped' "
    f"WHEN {SHARE} < {OPEN + PARTLY + SHIPPED} THEN 'shipped' ELSE 'cancelled' END"
)
HAS_PARCELS = f"{SHARE} >= {OPEN} AND {SHARE} < {OPEN + PARTLY + SHIPPED}"
BUYER = "(i - CASE WHEN i %% 10 = 9 THEN 4 ELSE 0 END)"  # one in ten buys again
DELIVERY = (
    "jsonb_build_object('name', {name}, 'street', 'Lange Straße ' || i %% 180, 'postal_code', '60311', "
    "'city', 'Frankfurt am Main', 'country', 'DE')"
).replace("{name}", f"pg_temp.first_name({BUYER}) || ' ' || pg_temp.surname({BUYER})")

# One after the other; those of a tuple at the same time, each in a connection of its own.
TABLES: Sequence[Sequence[str]] = (
    (
        "INSERT INTO address (id, tenant_id, platform_id, status_id, number, name, company, street, street2, street3, "
        "postal_code, city, region, country, phone, email, vat_id, name_key, surname_key, email_key, place_key, "
        "number_range_id, number_value) "
        "SELECT %(address)s + i, %(tenant)s, %(platform)s, %(status)s, (10000 + i)::text, "
        "n.first || ' ' || n.last, '', 'Lange Straße ' || i %% 180, '', '', '60311', 'Frankfurt am Main', '', 'DE', "
        "'', pg_temp.buyer(i), '', lower(n.first || ' ' || n.last), lower(n.last), pg_temp.buyer(i), "
        "pg_temp.place_key(n.first || ' ' || n.last, '60311', 'Lange Straße ' || i %% 180), "
        "%(address_range)s, 10000 + i "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i, "
        "LATERAL (SELECT pg_temp.first_name(i) AS first, pg_temp.surname(i) AS last) n WHERE i %% 10 <> 9",
        "INSERT INTO address_reference (tenant_id, platform_id, buyer_reference, address_id) "
        "SELECT %(tenant)s, %(platform)s, pg_temp.buyer(i), %(address)s + i "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i WHERE i %% 10 <> 9",
        "INSERT INTO document (id, tenant_id, platform_id, address_id, type, number, order_id, sales_channel, state, "
        "fulfilled_by, ordered_at, document_date, ship_by, currency, total, delivery, purchase_order, programs, "
        "replaces, cancel_requested, version, created_at, number_range_id, number_value) "
        f"SELECT %(document)s + i, %(tenant)s, %(platform)s, %(address)s + {BUYER}, 'order', "
        "'SO' || lpad(i::text, 8, '0'), "
        f"pg_temp.order_id(i), 'Amazon.de', {STATE}, "
        f"CASE WHEN {SHARE} >= {OPEN + PARTLY} AND i %% 2 = 0 THEN 'marketplace' ELSE 'merchant' END, p.at, "
        f"p.at::date, p.at + interval '2 days', 'EUR', 49.89, {DELIVERY}, '', '{{}}', '', false, "
        "p.at + interval '31 minutes', p.at + interval '32 minutes', %(order_range)s, i "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i, "
        "LATERAL (SELECT pg_temp.placed(i, %(total)s) AS at) p",
        "INSERT INTO shipment (id, tenant_id, document_id, package_reference, carrier_id, tracking_number, shipped_at, "
        "key, state, attempts, sent_at, confirmed_at, created_at) "
        "SELECT %(shipment)s + i * 2 + parcel, %(tenant)s, %(document)s + i, parcel, %(carrier)s, "
        "'0034043' || lpad((i * 2 + parcel)::text, 13, '0'), p.at, 'bench-' || i || '-' || parcel, "
        "CASE WHEN i %% 200 = 17 THEN 'failed' WHEN i %% 200 = 53 THEN 'sent' ELSE 'confirmed' END, "
        "1, p.at, p.at, p.at "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i CROSS JOIN generate_series(1, 2) AS parcel, "
        f"LATERAL (SELECT pg_temp.placed(i, %(total)s) + interval '1 day' AS at) p WHERE {HAS_PARCELS}",
    ),
    (
        "INSERT INTO document_line (document_id, position, tenant_id, kind, reference, article_number, title, "
        "quantity, unit_price, amount) "
        "SELECT %(document)s + i, position, %(tenant)s, 'article', lpad((i * 2 + position)::text, 14, '0'), "
        "'SKU-' || i %% 500, 'Brotmesser mit Wellenschliff, Griff aus Räuchereiche', 1, "
        "CASE position WHEN 1 THEN 39.90 ELSE 9.99 END, CASE position WHEN 1 THEN 39.90 ELSE 9.99 END "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i CROSS JOIN generate_series(1, 2) AS position",
        "INSERT INTO receipt (document_id, version, tenant_id, event, payload_hash, page_id, collection) "
        "SELECT %(document)s + i, pg_temp.placed(i, %(total)s) + interval '31 minutes', %(tenant)s, 'created', "
        f"sha256(i::text::bytea), %(page)s + i / {ORDERS_A_PAGE}, i / 100 "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i",
        "INSERT INTO cloud_order (account_id, platform_id, order_id, version, state, note, payload, collection_id, "
        "delivered_version) SELECT %(account)s, %(cloud_platform)s, pg_temp.order_id(i), p.version, 'delivered', '', "
        "convert_to(replace(%(payload)s, 'ORDER-ID', pg_temp.order_id(i)), 'UTF8'), i / 100, p.version "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i, "
        "LATERAL (SELECT pg_temp.placed(i, %(total)s) + interval '31 minutes' AS version) p",
        "INSERT INTO shipment_item (shipment_id, position, document_id, tenant_id, quantity) "
        "SELECT %(shipment)s + i * 2 + parcel, parcel, %(document)s + i, %(tenant)s, 1 "
        "FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i CROSS JOIN generate_series(1, 2) AS parcel "
        f"WHERE {HAS_PARCELS}",
    ),
)

# Once a tenant: pages of orders, runs (some more than a page shows), and held orders.
REST = (
    "INSERT INTO intake_page (id, tenant_id, platform_id, attempt, worker, request_id, collections, orders) "
    f"SELECT %(page)s + i, %(tenant)s, %(platform)s, 1, 'bench:1', md5(i::text), '{{}}', {ORDERS_A_PAGE} "
    f"FROM generate_series(0, %(total)s / {ORDERS_A_PAGE}) AS i",
    "INSERT INTO run (tenant_id, platform_id, cause, state, attempt, worker, orders, created, problem, queued_at, "
    "started_at, ended_at) "
    "SELECT %(tenant)s, %(platform)s, 'schedule', CASE WHEN i %% 50 = 0 THEN 'failed' ELSE 'done' END, 1, 'bench:1', "
    "100, 100, CASE WHEN i %% 50 = 0 THEN 'The cloud was not reachable.' END, now() - i * interval '5 minutes', "
    "now() - i * interval '5 minutes', now() - i * interval '5 minutes' + interval '1 second' "
    "FROM generate_series(greatest(%(total)s / 100, 60), 1, -1) AS i",
    "INSERT INTO held_order (tenant_id, platform_id, order_id, version, cause, reason, component, payload, held_at) "
    "SELECT %(tenant)s, %(platform)s, '31' || pg_temp.any_of(i, 1, 9) || '-0000000-' || lpad(i::text, 7, '0'), now(), "
    "'total', 'The lines sum to 44.90 EUR, the marketplace says 49.89: a difference of 4.99.', 'shipping', "
    "convert_to(%(payload)s, 'UTF8'), now() - i * interval '1 hour' "
    "FROM generate_series(1, greatest(%(total)s / 500, 60)) AS i",
    "UPDATE number_range SET next_number = CASE purpose WHEN 'order' THEN 1 ELSE 10000 END + %(total)s + 1 "
    "WHERE tenant_id = %(tenant)s AND purpose <> 'invoice'",
    "UPDATE number_range SET prefix = 'SO', digits = 8 WHERE tenant_id = %(tenant)s AND purpose = 'order'",
    "UPDATE number_range SET last_number = 99999999 WHERE tenant_id = %(tenant)s",
)


def fill(installation: Installation, merchant: Merchant, documents: int, payload: bytes) -> None:
    """Give the merchant so many documents. `payload` is the order that lies in the inbox for each, as JSON."""
    with installation.connect() as connection:
        values = _values(connection, merchant, documents, payload)
        with ThreadPoolExecutor(len(TABLES)) as lanes:
            for lane in [lanes.submit(_fill, installation, tables, values, documents) for tables in TABLES]:
                lane.result()
        _prepare(connection)
        for statement in REST:
            connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _fill(installation: Installation, statements: Sequence[str], values: dict[str, Any], documents: int) -> None:
    with installation.connect() as connection:
        _prepare(connection)
        for first in range(1, documents + 1, CHUNK):
            chunk = values | {"first": first, "last": min(first + CHUNK - 1, documents)}
            for statement in statements:
                connection.execute(statement, chunk)


def _prepare(connection: psycopg.Connection[Any]) -> None:
    # What is inserted is consistent: foreign keys need not be looked up, and a crash may lose it.
    connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    connection.execute(FUNCTIONS)  # type: ignore[call-overload]


def _values(connection: psycopg.Connection[Any], merchant: Merchant, documents: int, payload: bytes) -> dict[str, Any]:
    """What the statements need to know. The ids are taken from the sequences in one piece."""
    values: dict[str, Any] = {
        "tenant": merchant.tenant_id,
        "platform": merchant.platform_id,
        "account": merchant.account_id,
        "cloud_platform": merchant.cloud_platform_id,
        "total": documents,
        "payload": payload.decode(),
    }
    for name, sequence, count in (
        ("address", "address_id_seq", documents + 1),
        ("document", "document_id_seq", documents + 1),
        ("shipment", "shipment_id_seq", 2 * documents + 3),
        ("page", "intake_page_id_seq", documents // ORDERS_A_PAGE + 2),
    ):
        row = connection.execute(
            "SELECT setval(%(sequence)s, nextval(%(sequence)s) + %(count)s) - %(count)s",
            {"sequence": sequence, "count": count},
        ).fetchone()
        values[name] = row[0] if row else 0
    for name, query in (
        ("status", "SELECT address_status_id FROM platform WHERE id = %(platform)s"),
        ("order_range", "SELECT min(id) FROM number_range WHERE tenant_id = %(tenant)s AND purpose = 'order'"),
        ("address_range", "SELECT min(id) FROM number_range WHERE tenant_id = %(tenant)s AND purpose = 'address'"),
        ("carrier", "SELECT min(id) FROM carrier WHERE tenant_id = %(tenant)s"),
    ):
        row = connection.execute(query, values).fetchone()
        values[name] = row[0] if row else 0
    return values
