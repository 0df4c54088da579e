"""Sentences that are said later: kept by a job or passed through the API, and read in the reader's own language.

`sentence("%(count)s orders wait.", count=3)` is text like any other, in English. It also remembers of what it
is made, so that it can be kept (`kept`) and said (`say`) in another language. Plain text, such as a marketplace's
own words, is kept and said as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from flask_babel import format_currency, format_datetime, get_locale
from flask_babel import gettext as _

# What is kept may come from afar: no placeholder has a width, which could ask for gigabytes.
PLACEHOLDERS = r"^(?:[^%]|%%|%\(\w+\)[sd])*\Z"


class Money(msgspec.Struct, frozen=True, tag="money"):
    """An amount within a sentence."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}".strip()


class Moment(msgspec.Struct, frozen=True, tag="moment"):
    """A time within a sentence."""

    at: datetime

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m-%d at %H:%M UTC}"


class Source(msgspec.Struct, frozen=True, tag="sentence"):
    """What a sentence is made of: its English text, and the values in it."""

    text: Annotated[str, msgspec.Meta(pattern=PLACEHOLDERS)]
    values: dict[str, str | int | Money | Moment | Source] = {}

    def __str__(self) -> str:
        return self.text % {name: str(value) for name, value in self.values.items()} if self.values else self.text


Value = str | int | Decimal | Money | Moment | Source
BEGINNING = '{"type":"sentence"'
_decoder = msgspec.json.Decoder(Source)


class Sentence(str):
    """An English sentence that knows its source."""

    source: Source


def sentence(text: str, /, **values: Value) -> Sentence:
    """The sentence of this English text, whose values are named as in `%(name)s`. Extracted for translation."""
    return sentence_of(Source(text, {name: _plain(value) for name, value in values.items()}))


def sentence_of(source: Source) -> Sentence:
    """The sentence that is made of this."""
    made = Sentence(source)
    made.source = source
    return made


def kept(said: str | Exception) -> str:
    """The sentence, or that of an error, as it is stored: its source as JSON, or the text where it is only that."""
    text = said.args[0] if isinstance(said, Exception) and said.args else said
    return msgspec.json.encode(text.source).decode() if isinstance(text, Sentence) else str(text)


def source_of(kept_text: str | None) -> Source | None:
    """Of what a stored sentence is made; None for plain text."""
    if kept_text is None or not kept_text.startswith(BEGINNING):
        return None
    try:
        return _decoder.decode(kept_text)
    except msgspec.DecodeError:
        return None


def say(said: str | None) -> str:
    """A sentence, stored or at hand, in the language of whoever reads it; empty for None."""
    source = said.source if isinstance(said, Sentence) else source_of(said)
    return _translated(source) if source is not None else said or ""


def _plain(value: Value) -> str | int | Money | Moment | Source:
    if isinstance(value, Sentence):
        return value.source
    return str(value) if isinstance(value, str | Decimal) else value


def _translated(source: Source) -> str:
    if not source.values:
        return str(_(source.text))
    try:
        return str(_(source.text, **_worded(source.values)))
    except (KeyError, ValueError, TypeError):  # of a newer or older version, with other values
        return source.text


def _worded(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _word(value) for name, value in values.items()}


def _word(value: str | int | Money | Moment | Source) -> str:
    if isinstance(value, Source):
        return _translated(value)
    if get_locale() is None:  # outside of any app
        return str(value)
    if isinstance(value, Money):
        return str(format_currency(value.amount, value.currency) if value.currency else value.amount)
    if isinstance(value, Moment):
        return str(format_datetime(value.at, "medium"))
    return str(value)
