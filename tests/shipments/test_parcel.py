"""What may be shipped, and what not, and where on the form it is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.documents.models import State
from portal.shipments import parcel
from portal.shipments.parcel import Article, Parcel, Shippable

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
ORDERED = NOW - timedelta(days=3)
BERLIN = ZoneInfo("Europe/Berlin")


def an_article(position: int = 1, ordered: int = 1, shipped: int = 0) -> Article:
    return Article(position, f"item-{position}", f"SKU-{position}", f"Article {position}", ordered, shipped)


def a_document(**changes: Any) -> Shippable:
    values: dict[str, Any] = {
        "state": State.OPEN,
        "fulfilled_by": "merchant",
        "programs": (),
        "cancel_requested": False,
        "ordered_at": ORDERED,
        "articles": (an_article(),),
        "tracking_numbers": frozenset(),
    }
    return Shippable(**{**values, **changes})


def a_parcel(**changes: Any) -> Parcel:
    values = {"tracking_number": "00340434123456789012", "shipped_at": NOW, "quantities": {1: 1}, **changes}
    return Parcel(**{"references": {position: f"item-{position}" for position in values["quantities"]}, **values})


def test_the_last_piece_makes_the_document_shipped():
    assert parcel.book(a_document(), a_parcel(), NOW) == State.SHIPPED


def test_a_part_makes_it_partly_shipped():
    document = a_document(articles=(an_article(1, 2), an_article(2)))
    assert parcel.book(document, a_parcel(), NOW) == State.PARTLY_SHIPPED
    rest = a_document(state=State.PARTLY_SHIPPED, articles=(an_article(1, 2, 1), an_article(2)))
    assert parcel.book(rest, a_parcel(quantities={1: 1, 2: 1}), NOW) == State.SHIPPED


REFUSALS = [
    (parcel.ShippedByMarketplace, "", a_document(fulfilled_by="marketplace"), a_parcel()),
    (parcel.LabelReportsItself, "", a_document(programs=("PRIME", "FBM_SHIP_PLUS")), a_parcel()),
    (parcel.DocumentCancelled, "", a_document(state=State.CANCELLED), a_parcel()),
    (parcel.NothingOpen, "", a_document(state=State.SHIPPED), a_parcel()),
    (parcel.NothingOpen, "", a_document(articles=(an_article(shipped=1),)), a_parcel()),
    (parcel.NothingOpen, "", a_document(articles=()), a_parcel()),
    (parcel.CancellationRequested, "despite_cancellation", a_document(cancel_requested=True), a_parcel()),
    (parcel.NothingChosen, "quantities", a_document(), a_parcel(quantities={})),
    (parcel.NothingChosen, "quantities", a_document(), a_parcel(quantities={1: 0})),
    (parcel.TooMany, "quantities", a_document(), a_parcel(quantities={1: 2})),
    (parcel.TooMany, "quantities", a_document(), a_parcel(quantities={1: -1})),
    (
        parcel.TooLarge,
        "quantities",
        a_document(articles=tuple(map(an_article, range(1, 1002)))),
        a_parcel(quantities=dict.fromkeys(range(1, 1002), 1)),
    ),
    (
        parcel.TooLarge,
        "quantities",
        a_document(articles=(an_article(ordered=2_000_000),)),
        a_parcel(quantities={1: 1_000_001}),
    ),
    (parcel.UnknownLine, "quantities", a_document(), a_parcel(quantities={7: 1})),
    (parcel.UnknownLine, "quantities", a_document(), a_parcel(references={1: "item-2"})),
    (parcel.UnknownLine, "quantities", a_document(), a_parcel(references={})),
    (parcel.TrackingNumberMissing, "tracking_number", a_document(), a_parcel(tracking_number="")),
    (parcel.TrackingNumberTooLong, "tracking_number", a_document(), a_parcel(tracking_number="1" * 51)),
    (parcel.TrackingNumberUnprintable, "tracking_number", a_document(), a_parcel(tracking_number="12\n34")),
    (
        parcel.TrackingNumberUsed,
        "tracking_number",
        a_document(tracking_numbers=frozenset({"1Z999AA10123456784"})),
        a_parcel(tracking_number="1z999aa10123456784"),
    ),
    (parcel.ShippedInFuture, "shipped_on", a_document(), a_parcel(shipped_at=NOW + timedelta(days=1, seconds=1))),
    (parcel.ShippedBeforeOrder, "shipped_on", a_document(), a_parcel(shipped_at=ORDERED - timedelta(seconds=1))),
]


@pytest.mark.parametrize(("refusal", "field", "document", "wanted"), REFUSALS)
def test_what_may_not_be_shipped_is_refused_at_its_field(refusal, field, document, wanted):
    with pytest.raises(refusal) as raised:
        parcel.book(document, wanted, NOW)
    assert type(raised.value) is refusal
    assert raised.value.field == field
    assert str(raised.value).endswith(".")


def test_an_order_the_buyer_wants_cancelled_goes_out_once_somebody_says_so():
    document = a_document(cancel_requested=True)
    assert parcel.book(document, a_parcel(despite_cancellation=True), NOW) == State.SHIPPED


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=5),
    st.dictionaries(st.integers(1, 6), st.integers(-1, 6), max_size=5),
)
def test_no_parcel_holds_more_than_is_open(lines, quantities):
    articles = tuple(an_article(n, ordered, shipped) for n, (ordered, shipped) in enumerate(lines, start=1))
    try:
        state = parcel.book(a_document(articles=articles), a_parcel(quantities=quantities), NOW)
    except parcel.ShipmentRefused:
        return
    left = [article.open - quantities.get(article.position, 0) for article in articles]
    assert min(left) >= 0
    assert (state == State.SHIPPED) == (sum(left) == 0)


@pytest.mark.parametrize(
    ("day", "moment"),
    [
        (datetime(2026, 11, 24, tzinfo=BERLIN), NOW),
        (datetime(2026, 11, 23, tzinfo=BERLIN), datetime(2026, 11, 23, 11, tzinfo=UTC)),
        (datetime(2026, 11, 21, tzinfo=BERLIN), ORDERED),
        (datetime(2026, 11, 25, tzinfo=BERLIN), datetime(2026, 11, 24, 23, tzinfo=UTC)),
    ],
)
def test_a_day_becomes_a_moment_in_the_tenants_zone(day, moment):
    assert parcel.moment_of(day, BERLIN, NOW, ORDERED) == moment


def test_a_parcel_of_the_evening_belongs_to_the_tenants_day():
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)  # half past midnight of the 25th in Berlin
    assert parcel.moment_of(datetime(2026, 11, 25, tzinfo=BERLIN), BERLIN, late, ORDERED) == late
