"""The `flask` commands."""

from __future__ import annotations

import click
from flask import Flask, current_app


def register(app: Flask) -> None:
    """Add Kontor's commands beside Flask's own. Each imports what it needs when it runs."""
    from portal.demo import demo
    from portal.reseal import reseal
    from portal.sandbox.command import sandbox
    from portal.up import up

    for command in (up, demo, sandbox, worker, scheduler, reseal, bench):
        app.cli.add_command(command)


@click.command()
@click.option("--queue", "queues", multiple=True, help="Only these queues, in this order.")
@click.option("--burst", is_flag=True, help="Stop when the queues are empty.")
def worker(queues: tuple[str, ...], burst: bool) -> None:
    """Run a worker."""
    from jobs import worker as workers
    from jobs.queues import QUEUES

    workers.run(_app(), queues or QUEUES, burst)


@click.command()
def scheduler() -> None:
    """Run the scheduler. More than one does no harm."""
    from jobs import scheduler as schedulers

    schedulers.run(_app())


@click.command()
@click.argument("names", nargs=-1)
def bench(names: tuple[str, ...]) -> None:
    """Measure: all of tests/benchmarks, or those named."""
    from tests.benchmarks import run

    run(names)


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined]
