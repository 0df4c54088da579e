"""Amounts as Amazon writes them, and the sums that must hold between them.

An item's breakdowns sum to its proceedsTotal; ITEM is unit price times quantity, without tax
where there is a TAX row; grandTotal is the items' sum and whatever is charged to the order as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from portal.sandbox.catalogue import decimals

Json = dict[str, Any]


def money(amount: Decimal, currency: str) -> Json:
    return {"amount": str(rounded(amount, currency)), "currencyCode": currency}


def rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)))


def amount_of(value: Json | None) -> Decimal:
    return Decimal(value["amount"]) if value else Decimal()


def breakdown(kind: str, amount: Decimal, currency: str, details: dict[str, Decimal] | None = None) -> Json:
    """A row of an item's proceeds. Details exist for TAX and DISCOUNT only."""
    row: Json = {"type": kind, "subtotal": money(amount, currency)}
    if details:
        row["detailedBreakdowns"] = [
            {"subtype": subtype, "value": money(value, currency)} for subtype, value in details.items()
        ]
    return row


def proceeds(rows: list[Json], currency: str) -> Json:
    """An item's proceeds from its rows."""
    return {"proceedsTotal": money(_sum(rows), currency), "breakdowns": rows}


def order_proceeds(items: Iterable[Json], currency: str, extra: list[Json], itemised: bool) -> Json:
    """The order's proceeds: the items' sum and the rows that belong to no item, such as a tip."""
    items = list(items)
    total = sum((amount_of(item["proceeds"]["proceedsTotal"]) for item in items), Decimal()) + _sum(extra)
    result: Json = {"grandTotal": money(total, currency)}
    if itemised or extra:
        by_type: dict[str, Decimal] = {}
        for item in items:
            for row in item["proceeds"]["breakdowns"]:
                by_type[row["type"]] = by_type.get(row["type"], Decimal()) + amount_of(row["subtotal"])
        rows = [{"type": kind, "subtotal": money(amount, currency)} for kind, amount in by_type.items()]
        result["breakdowns"] = rows + extra
    return result


def reckon(order: Json) -> None:
    """Make the sums right again after a quantity has changed."""
    currency = order["proceeds"]["grandTotal"]["currencyCode"]
    extra = [row for row in order["proceeds"].get("breakdowns", []) if row["type"] == "DELIVERY_TIP"]
    for item in order["orderItems"]:
        unit_price = amount_of(item["product"].get("price", {}).get("unitPrice"))
        rows = item["proceeds"]["breakdowns"]
        for row in rows:
            if row["type"] == "ITEM":
                before = amount_of(row["subtotal"])
                after = unit_price * item["quantityOrdered"]
                row["subtotal"] = money(after, currency)
                _reckon_tax(rows, before, after, currency)
        item["proceeds"] = proceeds(rows, currency)
    order["proceeds"] = order_proceeds(order["orderItems"], currency, extra, "breakdowns" in order["proceeds"])


def _reckon_tax(rows: list[Json], before: Decimal, after: Decimal, currency: str) -> None:
    for row in rows:
        if row["type"] != "TAX" or not before:
            continue
        for detail in row.get("detailedBreakdowns", []):
            if detail["subtype"] == "ITEM":
                detail["value"] = money(amount_of(detail["value"]) * after / before, currency)
        details = row.get("detailedBreakdowns", [])
        row["subtotal"] = money(sum((amount_of(detail["value"]) for detail in details), Decimal()), currency)


def _sum(rows: Iterable[Json]) -> Decimal:
    return sum((amount_of(row["subtotal"]) for row in rows), Decimal())
