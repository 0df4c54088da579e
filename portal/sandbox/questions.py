"""Consent pages that somebody is looking at."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

# A page left open longer than this has to be loaded again.
_PATIENCE = 30 * 60


@dataclass(frozen=True)
class Question:
    """A consent page that somebody is looking at. `digits` went to the seller's phone."""

    state: str
    redirect_uri: str
    again: str  # the page's own address
    digits: str
    asked_at: float

    @property
    def origin(self) -> str:
        """The application's own page."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}/"


class Questions:
    """Those that have not been answered yet."""

    def __init__(self) -> None:
        self._open: dict[str, Question] = {}
        self._lock = threading.Lock()

    def ask(self, state: str, redirect_uri: str, again: str) -> str:
        number = secrets.token_urlsafe(16)
        question = Question(state, redirect_uri, again, f"{secrets.randbelow(10**6):06}", time.monotonic())
        with self._lock:
            self._forget_old()
            self._open[number] = question
        return number

    def find(self, number: str) -> Question | None:
        with self._lock:
            self._forget_old()
            return self._open.get(number)

    def close(self, number: str) -> None:
        with self._lock:
            self._open.pop(number, None)

    def _forget_old(self) -> None:
        oldest = time.monotonic() - _PATIENCE
        for number in [number for number, question in self._open.items() if question.asked_at < oldest]:
            del self._open[number]
