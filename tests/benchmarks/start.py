"""How long `flask up --demo` takes until it says where it is: in an empty folder, and again, as of the next morning."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.benchmarks.installation import FLASK, OURS, say
from tests.ports import free_port

READY = "Kontor is ready"


def run() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="kontor-bench-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
        first, again = start(folder / "data"), start(folder / "data")
    say("start", first_s=first, second_s=again, reference="a second start takes 10 s at most")


def start(data: Path) -> float:
    """Start and stop again; the seconds until the address was printed. Raises RuntimeError with what it said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    began, said = time.monotonic(), ""
    up = subprocess.Popen(
        (*FLASK, "up", "--demo", "--port", str(free_port())),
        env=kept | {"FLASK_APP": "wsgi.py", "KONTOR_DATA": str(data), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert up.stdout is not None
    try:
        for line in up.stdout:
            said += line
            if READY in line:
                return round(time.monotonic() - began, 1)
    finally:
        up.terminate()
        up.communicate()
    raise RuntimeError(f"flask up did not start:\n{said}")
