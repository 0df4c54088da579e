"""The two families of expected failure. Their text is a sentence for the person at the screen."""

from __future__ import annotations

from typing import ClassVar

from portal.sentences import say


class Refused(Exception):
    """Asking again changes nothing: the request itself has to change.

    `field` is where on a form the sentence belongs, "" for all of it.
    """

    field: ClassVar[str] = ""

    def __str__(self) -> str:
        return say(super().__str__() if not self.args else self.args[0])


class Unavailable(Exception):
    """Asking later may work. `retry_after` is in seconds, None where nobody knows."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return say(self.args[0])
