"""Reading requests strictly, and writing answers."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from flask import Response, request

from portal.cloud.api.problems import Problem
from portal.sentences import say

T = TypeVar("T")

# msgspec ends its sentences with the place: " - at `$.orders[0].version`".
_PLACE = re.compile(r" - at `\$\.?(?P<place>.*)`$")
# A field that is missing, or one too many, is only named in the sentence: " field `name`".
_FIELD = re.compile(r" field `(?P<name>[^`]{1,60})`")
_PATTERN = " matching regex "
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
MOST_LETTERS = 200  # of a sentence, which may quote what was sent
_NUMBER = re.compile(r"[0-9]{1,19}")


def read(shape: type[T]) -> T:
    """The request's JSON as `shape`. Raises Problem: 415, 400 (no JSON), 422 (not what is asked for)."""
    if request.mimetype != "application/json":
        raise Problem(415, "Send the body as application/json.")
    body = request.get_data(cache=False)
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        _check_json(body)  # it may break off behind the place complained of
        field, sentence = _explained(str(error))
        raise Problem(422, f"{field}: {sentence}", errors={field: sentence}) from error
    except NOT_JSON as error:
        raise _not_json() from error


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


def _check_json(body: bytes) -> None:
    """Raises Problem 400 unless the whole of it is JSON."""
    try:
        msgspec.json.decode(body)
    except NOT_JSON as error:
        raise _not_json() from error


def _not_json() -> Problem:
    return Problem(400, "The body is not JSON in UTF-8.")


def _explained(complaint: str) -> tuple[str, str]:
    """The field that msgspec complains of, and a sentence. Pure."""
    places = []
    if match := _PLACE.search(complaint):
        places, complaint = [match["place"]], complaint[: match.start()]
    if named := _FIELD.search(complaint):
        places.append(named["name"])
    if _PATTERN in complaint:
        complaint = "Holds characters that are not accepted here, or lacks some that are required"
    return ".".join(filter(None, places)) or "body", f"{complaint[:MOST_LETTERS]}."


def told(kept: str | None) -> str | None:
    """A sentence that was kept, in the language the call asks for; None where there is none."""
    return say(kept) if kept is not None else None
