"""What the API refuses, as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import InvalidTokenError
from flask import Response

from portal.http import HTTP_TITLES

MEDIA_TYPE = "application/problem+json"

NOT_CONNECTED = "urn:kontor:not-connected"
NOT_THIS_SELLERS = "urn:kontor:not-this-sellers"


class Problem(Exception):
    """An answer of 400 and above. `errors` names fields of the request, with a sentence each."""

    def __init__(
        self,
        status: int,
        detail: str,
        type: str = "about:blank",
        errors: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.type = type
        self.errors = errors
        self.headers = headers or {}


class Document(msgspec.Struct, omit_defaults=True):
    """A problem document. `errors` holds a sentence for each field that was not accepted."""

    type: str
    title: str
    status: int
    detail: str
    errors: dict[str, str] = msgspec.field(default_factory=dict)


def explain(problem: Problem) -> Response:
    document = Document(
        problem.type,
        HTTP_TITLES.get(problem.status, "Error"),
        problem.status,
        problem.detail,
        dict(problem.errors or {}),
    )
    return Response(msgspec.json.encode(document), problem.status, dict(problem.headers), content_type=MEDIA_TYPE)


def explain_token(error: OAuth2Error) -> Response:
    """A missing, unknown or expired token. The header says which (RFC 6750, section 3)."""
    challenge = 'Bearer realm="kontor"'
    if isinstance(error, InvalidTokenError):  # a call without a token is not told of an error
        challenge += f', error="{error.error}"'
    sentence = "The access token is missing, unknown or has expired. Ask /cloud/oauth/token for one."
    return explain(Problem(401, sentence, headers={"WWW-Authenticate": challenge}))
