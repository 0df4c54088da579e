"""What an Amazon order costs, gross: the rows of "proceeds" turned into components. Pure.

Amazon's rows are net of tax where a TAX row stands beside them, and gross where none does; TAX and
DISCOUNT say in details what they are on. The sign of DISCOUNT is not documented, so it is taken from
the rule that all rows sum to the total. Where no reading makes them sum, a discount lowers the price,
and the difference stays visible to whoever compares the components with the total.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from portal.cloud.connectors.amazon.wire import Breakdown, Money
from portal.order import Component, ComponentKind
from portal.sentences import sentence

# More than any order, and short enough that sums and products of it stay exact.
LARGEST_AMOUNT = Decimal(10**12)
MOST_DECIMALS = 6

KIND_OF_TYPE: dict[str, ComponentKind] = {
    "ITEM": "article",
    "SHIPPING": "shipping",
    "GIFT_WRAP": "gift_wrap",
    "DELIVERY_TIP": "tip",
    "COD_FEE": "other",
    "OTHER": "other",
}
# How components are listed, whatever order Amazon's rows have.
LISTED: tuple[ComponentKind, ...] = (
    "article",
    "discount",
    "shipping",
    "shipping_discount",
    "gift_wrap",
    "other",
    "tip",
    "tax",
)

Sums = dict[ComponentKind, Decimal]


class NoAmount(ValueError):
    """What stands in an amount's place is none. Its argument is a sentence."""


def amount(money: Money) -> Decimal:
    """The amount as an exact decimal. Raises NoAmount for NaN, and for what is too large or too fine."""
    value = money.amount
    shown = str(value)[:40]
    if not value.is_finite() or value.adjusted() > LARGEST_AMOUNT.adjusted() or abs(value) >= LARGEST_AMOUNT:
        raise NoAmount(sentence("Amazon's amount “%(amount)s” is not an amount of money.", amount=shown))
    if int(value.as_tuple().exponent) < -MOST_DECIMALS:
        raise NoAmount(sentence("Amazon's amount “%(amount)s” has more decimals than money has.", amount=shown))
    # Written out: 1E+2 and -0 are the same amounts, but not what people read.
    return Decimal(f"{value:f}") if value else Decimal(f"{abs(value):f}")


def components(rows: Sequence[Breakdown], total: Decimal | None) -> list[Component]:
    """An item's components, gross. They sum to `total` whenever Amazon's rows do in any reading of the signs.

    Each says how much of it is tax, where Amazon gives tax at all.
    """
    sums, tax = _gross(rows, total)
    return _listed(sums, tax if any(row.type == "TAX" for row in rows) else None)


def order_components(
    rows: Sequence[Breakdown], items: Iterable[Sequence[Breakdown]], difference: Decimal | None
) -> list[Component]:
    """What the order's own rows hold beyond those of its items: tips, freight or tax that belong to no item.

    `difference` is what the order's total exceeds its items' totals by. Rows that do not explain it
    are left out, but for a tip, which is never an item's.
    """
    within = [row for item in items for row in item]
    sums: Sums = {}
    for type in dict.fromkeys(row.type for row in rows):
        extra = _sum(row for row in rows if row.type == type) - _sum(row for row in within if row.type == type)
        if type == "DISCOUNT":
            extra = -abs(extra)
        if extra:
            _add(sums, "discount" if type == "DISCOUNT" else KIND_OF_TYPE.get(type, _rest(type)), extra)
    if difference is not None and sum(sums.values()) != difference:
        sums = {kind: value for kind, value in sums.items() if kind == "tip"}
    has_tax = any(row.type == "TAX" for row in (*rows, *within))
    return _listed(sums, {"tax": sums.get("tax", Decimal())} if has_tax else None)


def _gross(rows: Sequence[Breakdown], total: Decimal | None) -> tuple[Sums, Sums]:
    """What each kind sums to, gross, and the tax in it."""
    sums: Sums = {}
    for row in rows:
        if row.type not in ("TAX", "DISCOUNT"):
            _add(sums, KIND_OF_TYPE.get(row.type, "other"), amount(row.subtotal))
    charged = tuple(kind for kind in sums)
    tax = _tax(rows, charged)
    discount_tax = tax.pop("discount", Decimal())
    for kind, value in tax.items():
        _add(sums, kind, value)
    everything = sum(sums.values(), discount_tax)
    discounts = _discounts(rows, None if total is None else total - everything)
    for kind, value in _shared(discount_tax, discounts).items():
        _add(discounts, kind, value)
        _add(tax, kind, value)
    for kind, value in discounts.items():
        _add(sums, kind, value)
    return sums, tax


def _tax(rows: Sequence[Breakdown], charged: tuple[ComponentKind, ...]) -> Sums:
    """Tax by what it is on. What no detail explains goes to the only charge there is, or stands for itself."""
    sums: Sums = {}
    for row in rows:
        if row.type != "TAX":
            continue
        subtotal = amount(row.subtotal)
        on_discount = Decimal()
        explained = Decimal()
        for detail in row.detailed_breakdowns or ():
            if detail.value is None:
                continue
            value = amount(detail.value)
            if detail.subtype == "DISCOUNT":
                on_discount += value
            else:
                _add(sums, KIND_OF_TYPE.get(detail.subtype or "", "other"), value)
                explained += value
        if on_discount:
            # The same question of the sign as for DISCOUNT, answered by the row's own sum.
            if explained + on_discount != subtotal:
                on_discount = -abs(on_discount)
            _add(sums, "discount", on_discount)
            explained += on_discount
        if explained != subtotal:
            _add(sums, charged[0] if len(charged) == 1 else "tax", subtotal - explained)
    return sums


def _discounts(rows: Sequence[Breakdown], wanted: Decimal | None) -> Sums:
    """The discounts by what they are on, with the sign that makes their sum `wanted`."""
    sums: Sums = {}
    for row in rows:
        if row.type != "DISCOUNT":
            continue
        subtotal = amount(row.subtotal)
        explained = Decimal()
        for detail in row.detailed_breakdowns or ():
            if detail.value is None:
                continue
            # A detail without a sign of its own has its row's.
            value = abs(amount(detail.value)).copy_sign(subtotal)
            _add(sums, "shipping_discount" if detail.subtype == "SHIPPING" else "discount", value)
            explained += value
        if explained != subtotal:
            _add(sums, "discount", subtotal - explained)
    given = sum(sums.values(), Decimal())
    if wanted is not None and given == wanted:
        return sums
    if given > 0:
        return {kind: -value for kind, value in sums.items()}
    return sums


def _shared(tax: Decimal, discounts: Sums) -> Sums:
    """The tax on discounts, which Amazon gives in one, by the discounts' shares; to its own decimals."""
    if not tax:
        return {}
    shipping, everything = discounts.get("shipping_discount", Decimal()), sum(discounts.values(), Decimal())
    if not shipping or not everything:
        return {"discount": tax}
    on_shipping = (tax * shipping / everything).quantize(tax)
    return {"shipping_discount": on_shipping, "discount": tax - on_shipping}


def _rest(type: str) -> ComponentKind:
    return "tax" if type == "TAX" else "other"


def _sum(rows: Iterable[Breakdown]) -> Decimal:
    return sum((amount(row.subtotal) for row in rows), Decimal())


def _add(sums: Sums, kind: ComponentKind, value: Decimal) -> None:
    sums[kind] = sums.get(kind, Decimal()) + value


def _listed(sums: Sums, tax: Sums | None) -> list[Component]:
    return [
        Component(kind, sums[kind], None if tax is None else tax.get(kind, Decimal()))
        for kind in LISTED
        if sums.get(kind)
    ]
