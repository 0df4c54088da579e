"""A row in every table for a tenant and its cloud account, each of its texts with a mark that stands nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from graphlib import TopologicalSorter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from portal import tables
from tests.conftest import Merchant

Row = dict[str, Any]

# What has to make sense for a page to show the row. `{term}`: what people search for, which bears no mark.
SENSIBLE: dict[str, Any] = {
    "action_message.severity": "error",
    "action_run.area": "platforms",
    "action_run.scope": {"kind": "all", "ids": [], "first": "", "last": "", "platform": None},
    "action_run.state": "failed",
    "action_run.steps": [{"preset": "refresh", "arguments": {}}],
    "action_schema.area": "platforms",
    "action_schema.scope": {"kind": "all", "ids": [], "first": "", "last": "", "platform": None},
    "action_schema.steps": [{"preset": "refresh", "arguments": {}}],
    "action_result.kind": "document",
    "address_merge.document_ids": [],
    "address.number": "{term}",
    "address.number_year": None,
    "app_user.email": "{mark}@example.com",
    "app_user.language": "en",
    "article.active": True,
    "article.number": "{term}",
    "cloud_order.order_id": "{term}",
    "cloud_platform.reference": "{reference}",
    "cloud_status_message.key": "{reference}",
    "cloud_status_message.order_id": "{term}",
    "cloud_status_message.state": "failed",
    "credential.address": "http://127.0.0.1:9/{mark}",
    "delivery.state": "failed",
    "digest.alarms": [],
    "document.currency": "EUR",
    "document.delivery": {"name": "{mark}", "city": "{mark}", "country": "DE"},
    "document.fulfilled_by": "merchant",
    "document.number": "{term}",
    "document.number_year": None,
    "document.order_id": "{term}",
    "document.replaces": "",
    "held_order.cause": "mismatch",
    "held_order.component": None,
    "held_order.order_id": "{term}-held",
    "intake_page.collections": {},
    "list_view.shared": True,  # of another user than the one who looks
    "number_range.purpose": "address",
    "number_skip.year": None,
    "platform.marketplaces": "DE",
    "platform.reference": "{reference}",
    "receipt.event": "created",
    "run.cause": "person",
    "run.kind": "fetch",
    "run.state": "failed",
    "shipment.package_reference": 1,
    "shipment.state": "failed",
    "shipment.tracking_number": "{term}",
    "task.kind": "manual",
    "task.month_day": "1",
    "task.times": [],
    "task.weekdays": [],
    "task.window_begin": None,
    "task.window_end": None,
    "task_action.condition": "always",
    "task_action.kind": "schema",
    "task_action.settings": {},
    "task_run.plan": [],
    "task_run.state": "failed",
}
# What holds no text at all.
WORDLESS = {"task_action", "action_result", "shipment_item", "address_apart", "platform_address", "number_year"}
# What refers to a row without the database knowing.
LOOSE = {
    "page_id": "intake_page",
    "run_id": "run",
    "document_id": "document",
    "record_id": "document",
    "collection_id": "cloud_collection",
    "platform_id": "platform",
    "payment_terms_id": "payment_terms",
    "payment_method_id": "payment_method",
    "shipping_method_id": "shipping_method",
    "number_range_id": "number_range",
}
# What a tenant has one of from the beginning.
ONLY_ONE = {"tax_settings"}


@dataclass(frozen=True)
class Marked:
    """A merchant and its rows: of each table one with the mark."""

    merchant: Merchant
    mark: str
    term: str
    rows: dict[str, Row]

    def id(self, table: str) -> int:
        return int(self.rows[table]["id"])

    def owner_of(self, table: sa.Table) -> int:
        """What the row policy compares `owner_column(table)` with."""
        return self.merchant.account_id if is_clouds(table) else self.merchant.tenant_id


def is_clouds(table: sa.Table) -> bool:
    return table.name.startswith("cloud_")


def owner_column(table: sa.Table) -> sa.Column[int]:
    """The column that says whose a row is."""
    if table.name in ("tenant", "cloud_account"):
        return table.c.id
    return table.c.account_id if is_clouds(table) else table.c.tenant_id


def everything(owner: sa.Engine, marked: Marked) -> dict[str, list[str]]:
    """All rows of a tenant and its account as PostgreSQL writes them, by table, to be compared."""
    found: dict[str, list[str]] = {table: [] for table in tables.metadata.tables}
    wanted = " UNION ALL ".join(
        f"SELECT '{table.name}', t::text FROM {table.name} t "
        f"WHERE t.{owner_column(table).name} = {marked.owner_of(table)}"
        for table in tables.metadata.sorted_tables
    )
    with owner.connect() as connection:
        for table, row in connection.exec_driver_sql(wanted):
            found[table].append(row)
    return {table: sorted(rows) for table, rows in found.items()}


def fill(owner: sa.Engine, merchant: Merchant, mark: str, term: str) -> Marked:
    """Give the merchant a marked row in every table. `owner` may write past the row policies."""
    marked = Marked(merchant, mark, term, {})
    with owner.begin() as connection:
        for table in _in_order():
            if table.name in ("tenant", "cloud_account"):  # the merchant's own, whose name bears the mark
                wanted = table.select().where(table.c.id == marked.owner_of(table))
            else:
                if table.name in ONLY_ONE:
                    connection.execute(table.delete().where(owner_column(table) == marked.owner_of(table)))
                wanted = table.insert().values(_values(table, marked)).returning(*table.c)
            row = dict(connection.execute(wanted).mappings().one())
            assert mark in repr(row) or table.name in WORDLESS, f"Nothing in {table.name} bears the mark"
            # What the database computes itself nobody may write again.
            marked.rows[table.name] = {c.name: row[c.name] for c in table.c if c.computed is None}
    return marked


def clear(owner: sa.Engine, marked: Marked) -> None:
    """Take all rows of the merchant out again: their secrets, for one, are none that a key would open."""
    with owner.begin() as connection:
        for table in reversed(_in_order()):
            connection.execute(table.delete().where(owner_column(table) == marked.owner_of(table)))


def _in_order() -> list[sa.Table]:
    """All tables, each behind those it refers to."""
    of = tables.metadata.tables
    needs = {
        name: {key.column.table.name for key in table.foreign_keys}
        | {LOOSE[c.name] for c in table.c if c.name in LOOSE}
        for name, table in of.items()
    }
    return [
        of[name] for name in TopologicalSorter({name: rows - {name} for name, rows in needs.items()}).static_order()
    ]


def _values(table: sa.Table, marked: Marked) -> Row:
    own = owner_column(table)
    values = {}
    for column in table.c:
        if column is own:
            values[column.name] = marked.owner_of(table)
        elif (
            column.computed is None
            and not (column.primary_key and column.autoincrement is True)
            and column is not table.autoincrement_column
        ):
            values[column.name] = _value(column, marked)
    return values


def _value(column: sa.Column[Any], marked: Marked) -> Any:
    place = f"{column.table.name}.{column.name}"
    for key in column.foreign_keys:
        if key.column.table is column.table:
            return None
        return marked.rows[key.column.table.name][key.column.name]
    if place in SENSIBLE:
        return _worded(SENSIBLE[place], marked)
    if column.name in LOOSE:
        return marked.rows[LOOSE[column.name]]["id"]
    if column.nullable and column.name.startswith("next_"):  # or the scheduler would come for it
        return None
    return _of_type(column, marked)


def _of_type(column: sa.Column[Any], marked: Marked) -> Any:
    kind = column.type
    text = f"{marked.mark} {column.table.name} {column.name}"
    if isinstance(kind, sa.Enum):
        return kind.enums[0]
    if isinstance(kind, sa.String):
        return text
    if isinstance(kind, sa.LargeBinary):
        return text.encode()
    if isinstance(kind, JSONB):
        return {"text": text}
    if isinstance(kind, ARRAY):
        return [text]
    made = {
        sa.DateTime: datetime.now(UTC),
        sa.Date: date.today(),
        sa.Boolean: False,
        sa.Numeric: Decimal(1),
        sa.Integer: 1,
    }
    return next(value for of, value in made.items() if isinstance(kind, of))


def _worded(value: Any, marked: Marked) -> Any:
    if isinstance(value, dict):
        return {name: _worded(part, marked) for name, part in value.items()}
    if not isinstance(value, str):
        return value
    return value.format(mark=marked.mark, term=marked.term, reference=f"{marked.mark}-{marked.term}")
