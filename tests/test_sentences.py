"""Sentences that are kept in one language and read in another."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Refused
from portal.sentences import BEGINNING, Moment, Money, kept, say, sentence, source_of

TOTAL = Money(Decimal("1234.50"), "EUR")
DIFFERS = sentence(
    "The lines sum to %(sum)s, the marketplace says %(total)s: a difference of %(difference)s.",
    sum=TOTAL,
    total=TOTAL,
    difference=Money(Decimal(0), "EUR"),
)


def read_in(app: Flask, language: str, text: str) -> str:
    with app.test_request_context("/", headers={"Accept-Language": language}):
        return say(text)


def test_it_is_english_where_nobody_asks_for_anything_else() -> None:
    assert DIFFERS.startswith("The lines sum to 1234.50 EUR,")
    assert str(Refused(DIFFERS)) == DIFFERS


def test_it_is_kept_in_no_language_and_read_in_the_readers(app: Flask) -> None:
    stored = kept(DIFFERS)
    assert read_in(app, "en", stored).startswith("The lines sum to €1,234.50,")
    assert read_in(app, "de", stored).startswith("Die Positionen ergeben 1.234,50\xa0€,")


def test_an_error_is_said_in_the_readers_language_and_kept_like_its_sentence(app: Flask) -> None:
    error = Refused(sentence("The order %(order)s was cancelled.", order="028-1"))
    with app.test_request_context("/", headers={"Accept-Language": "de"}):
        assert str(error) == "Die Bestellung 028-1 wurde storniert."
    assert say(kept(error)) == "The order 028-1 was cancelled."


def test_a_sentence_within_a_sentence_is_translated_too(app: Flask) -> None:
    inner = sentence("Amazon no longer lets Kontor speak for this seller.")
    outer = kept(sentence("Given up after %(attempts)s attempts: %(problem)s", attempts=32, problem=inner))
    assert read_in(app, "de", outer) == (
        "Nach 32 Versuchen aufgegeben: Amazon lässt Kontor nicht mehr für diesen Verkäufer handeln."
    )


def test_a_time_is_told_in_the_readers_way(app: Flask) -> None:
    noticed = kept(
        sentence("%(problem)s Noticed on %(at)s. Connect.", problem="x", at=Moment(datetime(2026, 3, 29, tzinfo=UTC)))
    )
    assert "29.03.2026" in read_in(app, "de", noticed)


@given(st.text())
def test_plain_text_is_said_as_it_is(text: str) -> None:
    if not text.startswith(BEGINNING):
        assert say(text) == kept(text) == text


def test_nothing_is_said_of_nothing() -> None:
    assert say(None) == ""


@pytest.mark.parametrize(
    "hostile",
    [
        '{"type":"sentence","text":"%(x)999999999s","values":{"x":"1"}}',
        '{"type":"sentence","text":"%s %d","values":{}}',
        '{"type":"sentence","text":"%","values":{}}',
        '{"type":"sentence","text":7}',
        '{"type":"sentence"',
    ],
)
def test_what_only_looks_like_a_sentence_is_plain_text(hostile: str) -> None:
    assert source_of(hostile) is None
    assert say(hostile) == hostile


def test_a_sentence_that_lacks_its_values_still_says_something(app: Flask) -> None:
    broken = '{"type":"sentence","text":"The order %(order)s was cancelled.","values":{"other":"1"}}'
    with app.test_request_context("/"):
        assert "was cancelled" in say(broken)
