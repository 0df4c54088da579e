"""What Kontor promises in figures, measured: `flask bench`, or `flask bench intake pages`.

Each benchmark starts what it needs and removes it again. A line of output is one JSON object:
figures, and beside each what it is compared with. To try one quickly, set KONTOR_BENCH_ORDERS,
KONTOR_BENCH_DOCUMENTS, KONTOR_BENCH_TASKS, KONTOR_BENCH_SECONDS or KONTOR_BENCH_SAMPLES to less than the full size.
"""

from __future__ import annotations

import importlib

import click

NAMES = ("intake", "backlog", "pages", "latency", "schedule", "start")


def run(names: tuple[str, ...]) -> None:
    """Run these benchmarks, all where none is named."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise click.UsageError(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(NAMES)}.")
    for name in names or NAMES:
        importlib.import_module(f"{__name__}.{name}").run()
