"""Amazon's own example orders, each with the document it becomes at a German merchant's."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest

from portal.cloud.connectors.amazon.translate import read
from portal.documents.plan import Held, Settings, plan
from portal.documents.tax import TaxCase, Taxes
from tests.conftest import SHARED

EXAMPLES = SHARED / "spapi" / "examples"
GERMAN = Settings(ZoneInfo("Europe/Berlin"), taxes=Taxes("DE", codes={TaxCase.EXPORT: "0", TaxCase.COLLECTED: "MP"}))
# Date, state, total, tax and its case, buyer, and each line: article or kind, quantity, amount, tax code.
EXPECTED = {
    "orders_2026_getOrder_200_0.json": {
        "171-9876543-2109876": (
            *("2024-12-24", "open", "299.90 BRL", "0.00", "export", "Maria Silva Santos"),
            [("ECHO-DOT-4-BR-PRETO", 1, "299.90", "0")],
        ),
    },
    "orders_2026_searchOrders_200_0.json": {
        "250-1234567-8901234": (
            *("2024-12-25", "shipped", "19940 JPY", "0", "export", "John Smith"),
            [("ECHO-DOT-4-JP-CHARCOAL", 1, "5980", "0"), ("FIRE-TV-4K-MAX-JP", 2, "13960", "0")],
        ),
    },
    "orders_2026_searchOrders_200_1.json": {
        "202-7654321-1098765": (
            *("2024-12-24", "shipped", "34.99 GBP", "0.00", "export", "Sarah Thompson"),
            [("ECHO-DOT-4-UK-CHARCOAL-SINGLE", 1, "34.99", "0")],
        ),
    },
    "orders_2026_searchOrders_200_docexample.json": {
        # Amazon's tax on an order that leaves the Union, and no word that Amazon remits it: a person has to look.
        "123-4567890-1234567": (
            *("tax", "The tax of “ECHO-DOT-4-CHARCOAL” is 0.00 USD at your 0 %, the marketplace says 0.02 USD."),
        ),
    },
}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="Amazon's examples are not here")
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_example_becomes_its_document(name):
    response = json.loads((EXAMPLES / name).read_text())["response"]
    orders = [read(json.dumps(order).encode()) for order in response.get("orders") or [response["order"]]]
    assert {order.id: told(plan(order, GERMAN)) for order in orders} == EXPECTED[name]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="Amazon's examples are not here")
def test_there_is_no_example_without_its_document():
    assert {path.name for path in EXAMPLES.glob("orders_2026_*_200_*")} == set(EXPECTED)


def told(draft):
    if isinstance(draft, Held):
        return draft.cause, str(draft.reason)
    return (
        *(draft.document_date.isoformat(), draft.state.value, f"{draft.total} {draft.order.currency}"),
        *(str(draft.tax), draft.tax_case.value, draft.customer.name),
        [
            (
                line.article_number if line.kind == "article" else line.kind.value,
                line.quantity,
                str(line.amount),
                line.tax_code,
            )
            for line in draft.lines
        ],
    )
