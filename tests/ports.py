"""Ports that nobody listens on.

Not those that the kernel chooses from: it would give one that is not bound yet to another process, or to a call.
Each worker of pytest-xdist has ports of its own.
"""

from __future__ import annotations

import os
import random
import socket
from itertools import count

FIRST, EACH, WORKERS = 20_000, 2_000, 6

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
_tried = count(random.randrange(EACH))


def free_port() -> int:
    for number in _tried:
        port = FIRST + _worker * EACH + number % EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("There is always a next number.")
