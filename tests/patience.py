"""Waiting for what other processes do: a busy machine is not a failure, so there is one long patience for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 90.0


def wait_until(look: Callable[[], T], otherwise: str | Callable[[], str] = "It never came true.") -> T:
    """What `look` finds, once that is true. Raises AssertionError with the words of `otherwise` if it never is."""
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, otherwise if isinstance(otherwise, str) else otherwise()
        time.sleep(0.02)
    return found
