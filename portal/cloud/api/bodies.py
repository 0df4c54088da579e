"""Reading requests strictly, and writing answers."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from flask import Response, request

from portal.cloud.api.problems import Problem

T = TypeVar("T")

# msgspec ends its sentences with the place: " - at `$.orders[0].version`".
_PLACE = re.compile(r" - at `\$\.?(?P<place>.*)`$")
_NUMBER = re.compile(r"[0-9]{1,19}")


def read(shape: type[T]) -> T:
    """The request's JSON as `shape`. Raises Problem: 415, 400 (no JSON), 422 (not what is asked for)."""
    if request.mimetype != "application/json":
        raise Problem(415, "Send the body as application/json.")
    try:
        return msgspec.json.decode(request.get_data(cache=False), type=shape)
    except msgspec.ValidationError as error:
        sentence, field = str(error), "body"
        if match := _PLACE.search(sentence):
            sentence, field = sentence[: match.start()], match["place"] or "body"
        raise Problem(422, f"{field}: {sentence}.", errors={field: f"{sentence}."}) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "The body is not JSON in UTF-8.") from error


def number(name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query string. Raises Problem."""
    given = request.args.getlist(name)
    if not given:
        return default
    if len(given) == 1 and _NUMBER.fullmatch(given[0]) and least <= int(given[0]) <= most:
        return int(given[0])
    sentence = f"Expected one whole number from {least} to {most}."
    raise Problem(422, f"{name}: {sentence}", errors={name: sentence})


def answer(content: object, status: int = 200) -> Response:
    """The content as JSON."""
    return Response(msgspec.json.encode(content), status, mimetype="application/json")


def nothing(status: int = 204) -> Response:
    return Response(status=status)
