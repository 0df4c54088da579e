"""What can go wrong on the way to a cloud. Each text says what happened and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from portal.errors import Refused, Unavailable


class NotReachable(Unavailable):
    """Nobody answers: the name is unknown, the port is closed, the line broke."""


class CertificateRefused(Unavailable):
    """The server could not prove who it is."""


class TimedOut(Unavailable):
    """The server did not answer in time."""


class UnknownClient(Refused):
    """The cloud has no account with this client id."""


class WrongSecret(Refused):
    """The cloud knows the client id; the secret is another."""


class NotACloud(Refused):
    """Something answers at the address, but it is not a Kontor cloud."""


class NameTaken(Refused):
    """Another platform of the account bears this name; case and spaces do not count."""


class NotFound(Refused):
    """The cloud does not know this platform, order or message."""


class NotThisSellers(NotFound):
    """The marketplace says that the order is not one of this seller's."""


class NotAccepted(Refused):
    """The cloud found fault with what was sent. `errors` maps a field to its sentence."""

    def __init__(self, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.errors = dict(errors or {})
